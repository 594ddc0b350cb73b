"""No text is cut within what a reader takes for one character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_engine.charts.fonts import load_typefaces
from qwen_engine.charts.labels import LABELS
from qwen_engine.charts.settings import ChartSettings
from qwen_engine.charts.text_layout import TextLayout
from qwen_engine.text.graphemes import clusters, head
from qwen_wire.json_text import cut

WHOLE = ["a", " ", "天", "e\u0301", "q\u0323\u0302", "한", "নি", "👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "1\ufe0f\u20e3", "\r\n"]


@given(st.lists(st.sampled_from(WHOLE), min_size=1), st.integers(1, 40))
def test_the_head_of_a_text_has_whole_clusters(parts: list[str], max_chars: int) -> None:
    text = "".join(parts)
    whole, found = clusters(text), head(text, max_chars)
    kept = clusters(found)
    if len(whole[0]) > max_chars:
        assert found == text[:max_chars]
    else:
        assert kept == whole[: len(kept)]
        assert found == text or len(found) <= max_chars < len(found) + len(whole[len(kept)])


def test_one_cluster_of_more_marks_than_fit_is_cut() -> None:
    assert head("a" + "\u0301" * 300, 120) == "a" + "\u0301" * 119


@pytest.mark.parametrize("one", [one for one in WHOLE if one.strip() and one != "한"])
@pytest.mark.parametrize("max_chars", range(8, 20))
def test_values_in_messages_end_with_a_whole_character(one: str, max_chars: int) -> None:
    shown = cut(one * 30, max_chars)
    assert len(shown) <= max_chars
    assert shown.endswith("…")
    assert shown[:-1] == one * (len(shown[:-1]) // len(one)) != ""


@pytest.mark.parametrize("width", range(20, 200, 15))
def test_texts_on_charts_end_with_a_whole_character(width: int) -> None:
    layout = TextLayout(load_typefaces(ChartSettings())["en"], LABELS["en"])
    text = "q\u0323\u0302" * 40
    assert set(clusters(layout.fit(text, 14, width).rstrip("…"))) <= {"q\u0323\u0302"}
    for line in layout.wrap(text, 14, width, 3):
        assert set(clusters(line.rstrip("…"))) <= {"q\u0323\u0302", "ộ"}
