"""What the edit checkpoint is taught and measured on: one thing changes, the rest stays, unseen pictures are unseen."""

import random

import pytest

from demo.training.corpus import Scene
from demo.training.edits import ATTRIBUTES, Edit, draw_edits, edits_of, is_held_out
from demo.training.evaluate_image_edit import marks
from demo.training.pictures import draw, figure_of


def test_no_scene_of_the_held_out_side_is_trained_on():
    for edit in draw_edits(500, seed=3, held_out=False):
        assert not is_held_out(edit.before)
        assert not is_held_out(edit.after)


def test_what_is_measured_is_unseen_distinct_and_of_every_kind():
    drawn = draw_edits(100, seed=3, held_out=True)
    assert all(edit.held_out for edit in drawn)
    assert len(set(drawn)) == 100
    assert {kind: sum(edit.attribute == kind for edit in drawn) for kind in ATTRIBUTES} == dict.fromkeys(ATTRIBUTES, 25)


def test_the_inspection_finds_drawn_edits_right_and_undone_ones_wrong():
    rng = random.Random(7)
    for edit in draw_edits(80, seed=7, held_out=True):
        figure = figure_of(edit.before, rng)
        assert marks(edit, draw(edit.applied_to(figure))) == {"changed": True, "kept": True, "right": True}, edit
        assert marks(edit, draw(figure)) == {"changed": False, "kept": True, "right": False}, edit


def test_a_shape_never_gets_the_colour_of_what_is_behind_it():
    for edit in edits_of(Scene("red", "circle", background="white")):
        assert edit.after.colour != edit.after.background


@pytest.mark.parametrize(
    ("size", "offered"), [(None, {"small", "large"}), ("small", {"medium"}), ("large", {"medium"})]
)
def test_sizes_change_by_one_step(size, offered):
    edits = edits_of(Scene("red", "circle", size, "white"))
    assert {edit.value for edit in edits if edit.attribute == "size"} == offered


def test_words_say_which_way_the_size_goes():
    rng = random.Random(0)
    grown = Edit(Scene("red", "circle", "small", "white"), "size", "medium")
    shrunk = Edit(Scene("red", "circle", "large", "white"), "size", "medium")
    assert all({"larger", "bigger"} & set(grown.text(rng).strip(".").split()) for _ in range(20))
    assert all("smaller" in shrunk.text(rng) for _ in range(20))
