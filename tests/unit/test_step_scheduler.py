"""Who steps next: shapes take turns, first come first served within a shape, bounded by tokens."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from qwen_engine.image.step_scheduler import StepScheduler

ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=12)


@dataclass(eq=False)
class Row:
    key: str
    num_tokens: int = 1
    padding_key: str | None = None


def test_a_large_shape_never_delays_a_small_one_by_more_than_a_step():
    turns: StepScheduler[Row] = StepScheduler(max_tokens=8)
    large, small = Row("large"), Row("small")
    turns.add(large)
    assert turns.next() == [large]
    turns.add(small)
    assert [turns.next() for _ in range(6)] == [[large], [small]] * 3


def test_rows_of_a_shape_step_together_as_far_as_tokens_allow():
    turns: StepScheduler[Row] = StepScheduler(max_tokens=10)
    rows = [Row("a", 4) for _ in range(4)]
    for row in rows:
        turns.add(row)
    assert turns.next() == turns.next() == rows[:2]  # the others wait until one is done: first come, first served
    turns.remove(rows[0])
    assert turns.next() == rows[1:3]


def test_a_row_of_more_tokens_than_allowed_steps_alone():
    turns: StepScheduler[Row] = StepScheduler(max_tokens=3)
    rows = [Row("a", 9), Row("a", 1)]
    for row in rows:
        turns.add(row)
    assert turns.next() == rows[:1]


def test_nothing_is_left_of_what_was_removed():
    turns: StepScheduler[Row] = StepScheduler(max_tokens=3)
    row = Row("a")
    turns.remove(row)
    turns.add(row)
    turns.remove(row)
    turns.remove(row)
    assert turns.next() == []


def test_small_rows_of_other_shapes_come_along_as_far_as_padding_allows():
    turns: StepScheduler[Row] = StepScheduler(max_tokens=10, max_mixed_tokens=12)
    small, large = [Row("small", 2, "drawn") for _ in range(2)], Row("large", 4, "drawn")
    other, edit = Row("other", 2, "lora"), Row("edit", 2)
    for row in (*small, large, other, edit):
        turns.add(row)
    assert turns.next() == [*small, large]
    assert turns.next() == [large, *small]  # whose turn it is comes first
    assert turns.next() == [other]
    assert turns.next() == [edit]
    turns.add(Row("large", 4, "drawn"))
    assert turns.next() == [*small, large]


@given(ROWS)
def test_every_shape_has_its_turn(kinds):
    turns: StepScheduler[Row] = StepScheduler(max_tokens=10)
    rows = [Row(key, num_tokens) for key, num_tokens in kinds]
    for row in rows:
        turns.add(row)
    keys = {row.key for row in rows}
    steps = [turns.next() for _ in keys]
    assert {step[0].key for step in steps} == keys
    for step in steps:
        assert {row.key for row in step} == {step[0].key}
        assert len(step) == 1 or sum(row.num_tokens for row in step) <= 10
        assert step == [row for row in rows if row.key == step[0].key][: len(step)]
