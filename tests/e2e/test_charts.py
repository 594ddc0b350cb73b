"""Charts through a real Triton."""

import asyncio
import io
import json
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import pytest
from chart_examples import CASES, EXAMPLES, payload
from PIL import Image

from qwen_client import AsyncClient, Client, GanttTask, InvalidRequest
from qwen_engine.charts.answer import answer, read_request
from qwen_engine.charts.engine import ChartEngine
from qwen_server import doctor
from qwen_wire.options import ChartOptions
from tests.plain_http import post

TASKS = [
    GanttTask(name="Design", start=date(2026, 11, 2), end=date(2026, 11, 6), owner="Anna", progress=0.5),
    GanttTask(name="Launch", start=date(2026, 11, 9), after=("Design",)),
]


@pytest.fixture(scope="module")
def drawn_here() -> dict[tuple[str, str], bytes]:
    """The files of all examples as the engine makes them in this process."""
    from qwen_server.profiles import load_profile

    settings = load_profile("demo").models["chart_image"]
    engine, options = ChartEngine(settings), ChartOptions()
    return {
        (language, kind): answer(
            engine.draw(read_request(payload(EXAMPLES[language][kind]), options, settings)), options
        )["IMAGE"]
        for language, kind in CASES
    }


@pytest.mark.parametrize(("language", "kind"), CASES)
def test_every_chart_in_every_language(client, drawn_here, language, kind):
    chart = client.charts.draw(EXAMPLES[language][kind])
    assert (chart.kind, chart.language, chart.not_drawn) == (kind, language, "")
    assert chart.image.size == (chart.width, chart.height)
    assert chart.prompt == EXAMPLES[language][kind]["title"]
    assert 0 <= chart.timings.queue_s <= chart.timings.total_s
    assert chart.data == drawn_here[language, kind]


def test_charts_asked_for_at_once_are_each_caller_s_own(client, drawn_here):
    cases = CASES * 2
    with ThreadPoolExecutor(len(cases)) as pool:
        files = list(pool.map(lambda case: client.charts.draw(EXAMPLES[case[0]][case[1]]).data, cases))
    assert files == [drawn_here[case] for case in cases]


def test_the_helpers_and_the_looks(client):
    light = client.charts.gantt(TASKS, title="Plan", width=600, scale=2, format="webp", quality=100)
    dark = client.charts.gantt(TASKS, title="Plan", width=600, scale=2, theme="dark")
    assert (light.format, light.image.format, light.width) == ("webp", "WEBP", 1200)
    assert light.image.size == dark.image.size
    assert np.asarray(light.image).mean() > 200 > 60 > np.asarray(dark.image).mean()
    assert light.recipe.task == "gantt"
    assert client.charts.draw(json.loads(light.recipe.prompt), width=600, scale=2).image.size == light.image.size


def test_the_async_client_draws_the_same(server, client):
    async def draw() -> bytes:
        async with AsyncClient(server.address.grpc) as asking:
            return (await asking.charts.gantt(TASKS)).data

    assert asyncio.run(draw()) == client.charts.gantt(TASKS).data


@pytest.mark.parametrize(
    ("chart", "options", "message"),
    [
        ({"type": "pie"}, {}, r'CHART\.type is "pie"; allowed: timeline'),
        (
            {"type": "bar", "categories": ["a"], "series": [], "x": 1},
            {},
            r"CHART\.x is unknown; allowed: title, language",
        ),
        ({"type": "timeline", "title": "x" * 40_000}, {}, r"CHART has \d+ bytes; the limit is 30000"),
        (EXAMPLES["en"]["gantt"], {"width": 10}, r"OPTIONS\.width is 10: .*greater than or equal to 240"),
        (EXAMPLES["en"]["gantt"], {"height": 120}, r"OPTIONS\.height is 120; this chart needs \d+ pixels"),
        (EXAMPLES["en"]["gantt"], {"width": 4096, "height": 16000}, r"4096 x 16000 pixels; the limit is 16000000"),
        (EXAMPLES["en"]["gantt"], {"format": "svg"}, r"OPTIONS\.format is \"svg\": .*'png', 'webp' or 'jpeg'"),
        (EXAMPLES["en"]["gantt"], {"quality": 50}, r"OPTIONS\.quality is 50, but OPTIONS\.format is 'png'"),
        (EXAMPLES["en"]["gantt"], {"theme": "pink"}, r"OPTIONS\.theme"),
    ],
)
def test_bad_input_is_named_and_harms_nobody(client: Client, chart, options, message):
    with pytest.raises(InvalidRequest, match=message) as caught:
        client.charts.draw(chart, **options)
    assert caught.value.request_id
    assert "Traceback" not in str(caught.value)
    assert client.charts.gantt(TASKS).kind == "gantt"


def test_plain_http(server):
    options = {"input_encoding": "base64", "output_encoding": "base64"}
    asked = {"CHART": b64encode(payload(EXAMPLES["zh"]["bar"])).decode(), "OPTIONS": json.dumps(options)}
    [told] = post(server, "chart_image/generate", asked)
    result = json.loads(told["RESULT"])
    assert (result["type"], result["language"], result["finish_reason"]) == ("bar", "zh", "stop")
    with Image.open(io.BytesIO(b64decode(told["IMAGE"]))) as picture:
        assert picture.size == (result["width"], result["height"])


def test_the_doctor_misses_the_font(tmp_path):
    profile = tmp_path / "mine.toml"
    profile.write_text(f'[chart_image]\nfont_folder = "{tmp_path}"\n')
    wrong = [check for check in doctor.examine(str(profile)) if check.name == "files of chart_image"]
    assert [check.ok for check in wrong] == [False, False]
    assert "NotoSansCJK-Bold.ttc" in wrong[1].found
    assert "fonts-noto-cjk" in wrong[1].mend
