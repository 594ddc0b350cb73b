"""Charts as pictures: the same bytes each time, no glyph missing, all text on the page, bars where the dates are."""

import io
import os
import re
import subprocess
import sys
from datetime import date
from itertools import combinations, pairwise

import numpy as np
import pytest
from chart_examples import CASES, EXAMPLES, Fields, payload
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from recorder import WAIT_S, Recorder, run, submit

from qwen_client import read_recipe
from qwen_engine.charts.answer import answer, read_request
from qwen_engine.charts.bars import number
from qwen_engine.charts.engine import ChartEngine
from qwen_engine.charts.fonts import Typeface, load_typefaces
from qwen_engine.charts.request import ChartRequest, Drawing
from qwen_engine.charts.settings import ChartSettings
from qwen_engine.loop import EngineLoop
from qwen_wire.charts import MAX_BYTES, parse_chart
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import ChartOptions
from qwen_wire.theme import FIGURE_ASPECT, THEMES

SETTINGS = ChartSettings()
PALETTE = THEMES["light"].palette
PROGRAM = """
import sys, hashlib
from qwen_engine.charts.answer import answer, read_request
from qwen_engine.charts.engine import ChartEngine
from qwen_wire.options import ChartOptions
from qwen_engine.charts.settings import ChartSettings
settings, options = ChartSettings(), ChartOptions()
request = read_request(sys.stdin.buffer.read(), options, settings)
sys.stdout.buffer.write(answer(ChartEngine(settings).draw(request), options)["IMAGE"])
"""


@pytest.fixture(scope="module")
def engine() -> ChartEngine:
    return ChartEngine(SETTINGS)


def requested(fields: Fields, **options):
    return read_request(payload(fields), ChartOptions(**options), SETTINGS)


def drawn(engine: ChartEngine, fields: Fields, **options) -> np.ndarray:
    """The pixels, (height, width, 3)."""
    return np.asarray(engine.draw(requested(fields, **options)).image)


def file_of(engine: ChartEngine, fields: Fields, **options) -> bytes:
    return answer(engine.draw(requested(fields, **options)), ChartOptions(**options))["IMAGE"]


def texts(engine: ChartEngine, fields: Fields, **options) -> list[tuple[str, Bbox]]:
    """Every text with the pixels it covers, from the lower left corner."""
    canvas = engine.compose(requested(fields, **options))
    renderer = RendererAgg(*canvas.image().size, canvas.figure.dpi)
    artists = [one for one in canvas.figure.findobj(Text) if one.get_text()]
    return [(one.get_text(), one.get_window_extent(renderer)) for one in artists]


def columns_of(pixels: np.ndarray, colour: str) -> np.ndarray:
    """The columns that hold exactly this colour."""
    wanted = np.round(255 * np.array(to_rgb(colour))).astype(np.uint8)
    return np.flatnonzero((pixels == wanted).all(axis=2).any(axis=0))


@pytest.mark.parametrize(("language", "kind"), CASES)
@pytest.mark.parametrize("width", [760, 1200])
def test_all_text_is_on_the_page_and_none_on_another(engine, language, kind, width):
    """Warnings are errors here: a missing glyph would be one."""
    fields = EXAMPLES[language][kind]
    picture = engine.draw(requested(fields, width=width))
    assert (picture.language, picture.not_drawn, picture.image.width) == (language, "", width)
    page = picture.image.size
    placed = texts(engine, fields, width=width)
    assert len(placed) > 3
    for text, box in placed:
        assert min(box.x0, box.y0) >= 0, text
        assert box.x1 <= page[0], text
        assert box.y1 <= page[1], text
    for (text, one), (other, box) in combinations(placed, 2):
        wide, high = min(one.x1, box.x1) - max(one.x0, box.x0), min(one.y1, box.y1) - max(one.y0, box.y0)
        assert wide < 1 or high < 2, f"{text} over {other}"


@pytest.mark.parametrize("kind", EXAMPLES["en"])
def test_the_same_chart_is_the_same_file(engine, kind):
    fields = EXAMPLES["ja"][kind]
    first = file_of(engine, fields)
    assert file_of(engine, fields) == first
    assert file_of(ChartEngine(SETTINGS), fields) == first
    assert file_of(engine, {**fields, "title": "別の題"}) != first


def test_another_process_and_other_user_settings_change_nothing(engine, tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.hinting: force_autohint\nfont.size: 30\nsavefig.dpi: 300\n")
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path), "PYTHONHASHSEED": "7"}
    fields = EXAMPLES["zh"]["gantt"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=payload(fields),
        env=environment,
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == file_of(engine, fields)


@pytest.mark.parametrize(("language", "charset"), [("zh", "gb2312"), ("ja", "shift_jis"), ("en", "latin-1")])
def test_the_fonts_have_every_character_of_a_language(engine, language, charset):
    """All that the common encodings of the language hold, some seven thousand characters each."""
    typeface: Typeface = load_typefaces(SETTINGS)[language]
    pairs = [bytes([first, second]) for first in range(0x81, 0xFF) for second in range(0x40, 0xFF)]
    singles = [bytes([code]) for code in [*range(0x20, 0x7F), *range(0xA1, 0xFF)]]
    chars = {char for code in singles + pairs for char in code.decode(charset, "ignore") if char.isprintable()}
    assert len(chars) > (180 if language == "en" else 6500)
    assert {char for char in chars if not typeface.has(char)} - {"\xad"} == set()


def test_what_no_font_has_is_told_and_becomes_a_box(engine):
    fields = {"type": "timeline", "events": [{"date": "2026-01-01", "label": "Party 🎉 and \U000e0041\u200b $x^2$"}]}
    assert engine.draw(requested(fields)).not_drawn == "🎉"
    assert "Party □ and $x^2$" in [text for text, _ in texts(engine, fields)]


def test_a_missing_font_is_told_at_the_start_by_name(tmp_path):
    wanted = rf"NotoSansCJK-Regular\.ttc is not in {re.escape(str(tmp_path))}; install Debian's package fonts-noto-cjk"
    with pytest.raises(FileNotFoundError, match=wanted):
        ChartEngine(ChartSettings(font_folder=str(tmp_path)))


def test_bars_of_a_gantt_chart_stand_at_their_days(engine):
    tasks = [
        {"name": "a", "owner": "Anna", "start": "2026-03-02", "end": "2026-03-11"},
        {"name": "b", "owner": "Ben", "start": "2026-03-12", "end": "2026-03-16"},
        {"name": "c", "owner": "Clara", "start": "2026-03-22", "end": "2026-03-31"},
    ]
    pixels = drawn(engine, {"type": "gantt", "tasks": tasks})
    spans = [columns_of(pixels, colour) for colour in PALETTE[:3]]
    day_px = (spans[2][0] - spans[0][0]) / (date(2026, 3, 22) - date(2026, 3, 2)).days
    for span, first, num_days in zip(spans, (0, 10, 20), (10, 5, 10), strict=True):
        assert abs(span[0] - spans[0][0] - first * day_px) <= 2
        assert abs(len(span) - num_days * day_px) <= 3


def test_today_is_between_yesterday_and_tomorrow(engine):
    tasks = [
        {"name": "a", "owner": "Anna", "start": "2026-03-02", "end": "2026-03-10"},
        {"name": "b", "owner": "Ben", "start": "2026-03-12", "end": "2026-03-16"},
    ]
    pixels = drawn(engine, {"type": "gantt", "tasks": tasks, "today": "2026-03-11"})
    rows = pixels[: len(pixels) // 2]  # above the word
    before, after = (columns_of(pixels, colour) for colour in PALETTE[:2])
    line = columns_of(rows, THEMES["light"].accent)
    assert before[-1] < line[0] <= line[-1] < after[0]
    assert abs((before[-1] + after[0]) / 2 - line.mean()) < 2


def test_progress_fills_its_share_of_a_bar(engine):
    task = {"name": "a", "start": "2026-03-02", "end": "2026-04-10", "progress": 0.25}
    pixels = drawn(engine, {"type": "gantt", "tasks": [task]})
    done = columns_of(pixels, PALETTE[0])
    rest = columns_of(pixels, THEMES["light"].pale(PALETTE[0]))
    assert len(done) / (rest[-1] - done[0]) == pytest.approx(0.25, abs=0.02)


def test_bars_are_as_high_as_their_values(engine):
    fields = {
        "type": "bar",
        "categories": ["a"],
        "series": [{"name": "s", "values": [40]}, {"name": "t", "values": [80]}],
    }
    pixels = drawn(engine, fields)
    plot = pixels[80:]  # below the legend
    low, high = (len(columns_of(plot.swapaxes(0, 1), colour)) for colour in PALETTE[:2])
    assert low / high == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("kind", EXAMPLES["en"])
def test_scale_sharpens_the_same_layout(engine, kind):
    fields = EXAMPLES["en"][kind]
    once, twice = (Image.fromarray(drawn(engine, fields, scale=scale)) for scale in (1, 2))
    assert twice.size == (2 * once.width, 2 * once.height)
    difference = np.asarray(once, int) - np.asarray(twice.reduce(2), int)
    assert np.abs(difference).mean() < 2.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_the_background(engine, theme):
    pixels = drawn(engine, EXAMPLES["en"]["bar"], theme=theme)
    assert tuple(pixels[0, 0]) == tuple(np.round(255 * np.array(to_rgb(THEMES[theme].background))))


def test_rows_make_the_picture_grow_until_it_is_refused(engine):
    def matrix(num_tasks: int) -> Fields:
        tasks = [{"name": f"Task {number}", "roles": {"Anna": "R"}} for number in range(num_tasks)]
        return {"type": "responsibility_matrix", "people": ["Anna"], "tasks": tasks}

    few, many = (drawn(engine, matrix(count)).shape[0] for count in (3, 100))
    assert many - few == pytest.approx(97 * 40, abs=5)
    with pytest.raises(
        InvalidRequest, match=r"OPTIONS\.height is 400; this chart needs \d+ pixels at the width of 1200"
    ):
        engine.draw(requested(matrix(100), height=400))
    with pytest.raises(InvalidRequest, match=r"the chart would have 16384 x \d+ pixels; the limit is 16000000"):
        engine.draw(requested(matrix(100), width=4096, scale=4))


@pytest.mark.parametrize("language", EXAMPLES)
def test_a_graph_of_few_concepts_fills_its_picture(engine, language):
    """As wide as a slide, and as high as what is below its title; its letters grow with the room."""
    links = [{"source": "a", "target": "b", "label": "c"}]
    few = {"type": "concept_graph", "concepts": [{"name": "a"}, {"name": "b"}], "links": links}
    many = {**few, "concepts": [{"name": f"{letter}"} for letter in "abdefghijk"]}
    wide = EXAMPLES[language]["concept_graph"]
    for fields in (few, wide):
        assert drawn(engine, fields).shape[:2] == (round(1200 * FIGURE_ASPECT), 1200)
    heights = [max(box.height for text, box in texts(engine, fields) if text == "a") for fields in (few, many)]
    assert heights[0] > 1.5 * heights[1]
    assert drawn(engine, many).shape[0] >= round(1200 * FIGURE_ASPECT)


def test_a_larger_height_is_kept_and_the_chart_in_its_middle(engine):
    fields = EXAMPLES["en"]["timeline"]
    least = drawn(engine, fields)
    tall = drawn(engine, fields, height=len(least) + 200)
    np.testing.assert_array_equal(tall[100:-100], least)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"type": "responsibility_matrix", "people": [f"p{n}" for n in range(24)],
             "tasks": [{"name": "t", "roles": {}}]},
            r"OPTIONS\.width is 400; a matrix of 24 people needs 810 pixels at least",
        ),
        (
            {"type": "bar", "categories": [f"c{n}" for n in range(60)],
             "series": [{"name": f"s{n}", "values": [1] * 60} for n in range(8)]},
            r"OPTIONS\.width is 400; a chart of 480 bars needs \d+ pixels",
        ),
        (
            {"type": "bar", "categories": ["x" * 99] * 60, "series": [{"name": "s", "values": [1] * 60}]},
            r"OPTIONS\.width is 400; a chart of 60 categories needs 8\d\d pixels",
        ),
    ],
)  # fmt: skip
def test_a_width_on_which_nothing_could_be_read_is_refused(engine, fields, message):
    with pytest.raises(InvalidRequest, match=message):
        engine.draw(requested(fields, width=400))


@pytest.mark.parametrize("width", [240, 400, 1200])
def test_a_row_of_concepts_goes_on_below_where_the_page_is_too_narrow(engine, width):
    """Some links are within a column then, some point back."""
    names = [f"c{number}" for number in range(20)]
    links = [{"source": one, "target": other, "label": "to"} for one, other in combinations(names, 2)][::3][:60]
    links += [{"source": one, "target": other} for one, other in pairwise(names)]
    fields = {"type": "concept_graph", "concepts": [{"name": name} for name in names], "links": links}
    placed = [(text, box) for text, box in texts(engine, fields, width=width) if text in names]
    assert {text for text, _ in placed} == set(names)
    assert all(box.x0 >= 0 and box.x1 <= width for _, box in placed)
    for (text, one), (other, box) in combinations(placed, 2):
        wide, high = min(one.x1, box.x1) - max(one.x0, box.x0), min(one.y1, box.y1) - max(one.y0, box.y0)
        assert wide < 1 or high < 2, f"{text} over {other}"


@pytest.mark.parametrize("values", [[None], [0], [1e-320], [-1e-10], [1e-6], [1e12, -1e12], [-3, -1], [123456.789]])
def test_any_values_make_bars(engine, values):
    categories = [f"c{number}" for number in range(len(values))]
    told = [text for text, _ in texts(engine, {"type": "bar", "categories": categories,
                                               "series": [{"name": "s", "values": values}]})]  # fmt: skip
    assert {"0", *categories} <= set(told)


@pytest.mark.parametrize(
    "days", [("1000-01-01", "1000-01-01"), ("8999-12-31", "8999-12-31"), ("1950-06-01", "2049-06-01")]
)
def test_any_dates_make_an_axis(engine, days):
    start, end = days
    assert texts(engine, {"type": "gantt", "tasks": [{"name": "a", "start": start, "end": end}]})
    events = [{"date": day, "label": "a"} for day in days]
    assert texts(engine, {"type": "timeline", "events": events}, width=240)


@pytest.mark.parametrize("times_s", [[0.0], [0.2, 0.4], [0.0, 864_000.0], [59.9, 60.1, 3600.0]])
def test_any_times_make_an_axis(engine, times_s):
    events = [{"time_s": time_s, "label": "a"} for time_s in times_s]
    told = [text for text, _ in texts(engine, {"type": "timeline", "events": events}, width=240)]
    assert told.count("a") == len(times_s)
    assert any(re.fullmatch(r"(\d+:)?\d+:\d\d", text) for text in told)


@pytest.mark.parametrize(("count", "is_along_a_line"), [(6, True), (30, False)])
def test_many_events_stand_below_each_other(engine, count, is_along_a_line):
    """A staircase of cards would be higher than a page."""
    events = [{"time_s": 4.0 * n, "label": f"event {n}", "detail": f"told by Anna: {n}"} for n in range(count)]
    fields = {"type": "timeline", "events": events}
    placed = dict(texts(engine, fields, width=840))
    lefts = {round(placed[f"event {n}"].x0) for n in range(count)}
    assert (len(lefts) == 1) != is_along_a_line
    if not is_along_a_line:
        tops = [placed[f"event {n}"].y1 for n in range(count)]
        assert tops == sorted(tops, reverse=True)
        assert drawn(engine, fields, width=840).shape[0] < 50 * count + 60


def test_long_names_end_in_an_ellipsis(engine):
    name = "Prepare the quarterly report for the customer " * 4
    fields = {"type": "gantt", "tasks": [{"name": name, "start": "2026-01-01"}]}
    [first, second] = [text for text, _ in texts(engine, fields, width=400) if text.strip("…") in name]
    assert first.startswith("Prepare the")
    assert second.endswith("…")


@pytest.mark.parametrize(("file_format", "quality"), [("png", None), ("webp", 100), ("webp", 80), ("jpeg", 90)])
def test_the_file_holds_its_chart(engine, file_format, quality):
    fields = EXAMPLES["zh"]["responsibility_matrix"]
    file = file_of(engine, fields, format=file_format, quality=quality, scale=2)
    with Image.open(io.BytesIO(file)) as picture:
        assert picture.format == file_format.upper()
        assert picture.width == 2400
    recipe = read_recipe(file)
    assert (recipe.model, recipe.task, recipe.width) == ("chart_image", "responsibility_matrix", 1200)
    assert parse_chart(recipe.prompt.encode()) == parse_chart(payload(fields))


def test_the_longest_chart_fits_into_a_jpeg():
    names = ['"\\' * 60 + f"{number}" for number in range(60)]
    fields = {"type": "timeline", "events": [{"time_s": 1.0, "label": name, "detail": name} for name in names]}
    while len(payload(fields)) > MAX_BYTES:
        fields["events"].pop()
    assert len(payload(fields)) > 0.95 * MAX_BYTES
    drawing = Drawing(Image.new("RGB", (8, 8)), requested(fields, format="jpeg"), "en", "")
    assert read_recipe(answer(drawing, ChartOptions(format="jpeg"))["IMAGE"]).prompt


def large(**options) -> ChartRequest:
    name = "Prepare the quarterly report for the customer "
    events = [{"date": "2026-12-01", "label": f"{name}{number}", "detail": 4 * name} for number in range(60)]
    return requested({"type": "timeline", "events": events}, **options)


def test_small_charts_are_drawn_beside_large_ones(engine):
    small = requested(EXAMPLES["en"]["bar"])
    wide = requested(EXAMPLES["en"]["bar"], width=4000, height=1000)
    assert [one.is_large for one in (small, large(), wide)] == [False, True, True]
    order: list[str] = []
    loop = EngineLoop(engine, max_queue=32, max_wait_s=WAIT_S)
    try:
        sinks = [Recorder(lambda _, name=name: order.append(name)) for name in [*["large"] * 4, "small"]]
        loop.submit(list(zip([large()] * 4 + [small], sinks, strict=True)))
        assert [sink.outcome() for sink in sinks] == ["stop"] * 5
    finally:
        loop.close(WAIT_S)
    assert order.index("small") < 2
    assert all(sink.events[0].file for sink in sinks)


def test_charts_drawn_side_by_side_are_those_drawn_alone(engine):
    requests = [large(), *[requested(EXAMPLES[language][kind]) for language, kind in CASES]]
    alone = [engine.draw(request).image.tobytes() for request in requests]
    together = run(engine, *requests, *requests)
    assert [sink.events[0].image.tobytes() for sink in together] == alone * 2


def test_more_charts_than_there_is_room_for_are_refused(engine):
    few = ChartEngine(SETTINGS.model_copy(update={"max_queue": 2}))
    loop = EngineLoop(few, max_queue=50, max_wait_s=WAIT_S)
    try:
        sinks, _ = submit(loop, [large()] * 12)
        outcomes = [sink.outcome() for sink in sinks]
    finally:
        loop.close(WAIT_S)
    refused = [one for one in outcomes if one != "stop"]
    assert refused
    assert all("too many requests wait" in str(one) for one in refused)
    assert outcomes[0] == "stop"


def test_requests_through_the_loop_fail_alone(engine):
    good = requested(EXAMPLES["en"]["bar"])
    first, bad, last = run(engine, good, requested(EXAMPLES["en"]["bar"], height=100), good)
    assert "OPTIONS.height is 100" in str(bad.outcome())
    assert first.outcome() == last.outcome() == "stop"
    assert first.events[0].image.tobytes() == last.events[0].image.tobytes()


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1_234_567, "1,234,567"), (1234.5, "1,234.5"), (0.1234567, "0.123457"), (-99_999_999, "-99,999,999"), (0.0, "0"),
     (-0.0, "0"), (1_234_567.8, "1,234,568"), (999_999.5, "1,000,000"), (1e12, "1,000,000,000,000"), (-0.5, "-0.5")],
)  # fmt: skip
def test_whole_numbers_are_written_in_full(value: float, shown: str) -> None:
    assert number(value) == shown


def bar_chart(num_categories: int, num_series: int, value: float) -> Fields:
    """Bars of both signs; each has a value of its own."""
    values = [value + number for number in range(num_categories)]
    series = [{"name": f"s{n}", "values": [(-1) ** n * (one + 100 * n) for one in values]} for n in range(num_series)]
    return {"type": "bar", "categories": [f"c{number}" for number in range(num_categories)], "series": series}


@pytest.mark.parametrize(
    ("num_categories", "num_series", "value"),
    [(1, 1, 1_234_567), (20, 1, 1_234_567), (60, 1, 1_234_567), (60, 1, 999_999_999_000), (20, 2, 12_345),
     (10, 5, 123_456), (5, 8, 12_345), (30, 1, 0.12345)],
)  # fmt: skip
def test_bars_of_a_crowd_keep_their_values(engine, num_categories, num_series, value):
    fields = bar_chart(num_categories, num_series, value)
    placed = texts(engine, fields)
    written = [number(one) for series in fields["series"] for one in series["values"]]
    assert sorted(set(written)) == sorted({text for text, _ in placed} & set(written))
    size = engine.draw(requested(fields)).image.size
    for text, box in placed:
        assert min(box.x0, box.y0) >= 0, text
        assert box.x1 <= size[0], text
        assert box.y1 <= size[1], text
    values = [(text, box) for text, box in placed if text in written]
    for (text, one), (other, box) in combinations(values, 2):
        wide, high = min(one.x1, box.x1) - max(one.x0, box.x0), min(one.y1, box.y1) - max(one.y0, box.y0)
        assert wide < 1.5 or high < 2, f"{text} over {other}"


def test_values_for_which_there_is_no_room_are_left_out(engine):
    placed = {text for text, _ in texts(engine, bar_chart(60, 2, 1_234_567))}
    assert not any(text.startswith("1,234,5") for text in placed)


@pytest.mark.parametrize("last", ["2026-12-30", "2027-06-01", "2028-06-01", "2035-06-01"])
@pytest.mark.parametrize("first", ["2025-12-31", "2025-12-30"])
def test_a_first_year_of_one_day_keeps_its_mark(engine, first, last):
    """And the year after it, too."""
    events = [{"date": day, "label": "a"} for day in (first, last)]
    for fields in (
        {"type": "timeline", "events": events},
        {"type": "gantt", "tasks": [{"name": "a", "start": first, "end": last}]},
    ):
        placed = [text for text, _ in texts(engine, fields)]
        assert (placed.count("2025"), placed.count("2026")) == (1, 1)


@pytest.mark.parametrize(("first", "last"), [("2025-12-31", "2026-01-20"), ("2025-11-30", "2026-01-05")])
def test_a_first_month_of_one_day_keeps_its_mark(engine, first, last):
    tasks = [{"name": "a", "start": first, "end": last}]
    placed = texts(engine, {"type": "gantt", "tasks": tasks}, width=700)
    month = "Dec 2025" if first == "2025-12-31" else "Nov 2025"
    assert month in [text for text, _ in placed]
