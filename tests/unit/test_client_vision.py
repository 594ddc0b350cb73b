"""`client.vision` against a scripted server."""

import asyncio
import io
import json
from pathlib import Path

from fake_triton import FakeTriton
from PIL import Image

from qwen_client import AsyncClient, Client, Description, vision
from qwen_wire.messages import Timings
from qwen_wire.options import VisionOptions, parse_options


def test_a_description_tells_all_that_the_server_told(client: Client, triton: FakeTriton, tmp_path: Path) -> None:
    file = tmp_path / "circle.png"
    Image.new("RGB", (64, 48)).save(file)

    described = client.vision.describe(file)

    assert str(described) == described.text == f"{file.stat().st_size} bytes"
    assert (described.question, described.width, described.height) == ("Describe the picture.", 64, 48)
    assert (described.usage.prompt_tokens, described.usage.completion_tokens, described.cut) == (20, 3, False)
    assert isinstance(described.timings, Timings)
    assert described.request_id == triton.received[0].request_id != ""


def test_whatever_holds_a_picture_is_sent(client: Client, triton: FakeTriton) -> None:
    picture = Image.new("RGB", (8, 8), "red")
    drawn = client.image.generate("a red square")

    for given in (picture, drawn, drawn.data, io.BytesIO(drawn.data)):
        client.vision.describe(given)

    first, *others = (request.inputs["IMAGE"] for request in triton.received if request.model == "qwen3_vl")
    with Image.open(io.BytesIO(first)) as sent:
        assert (sent.format, sent.size) == ("PNG", (8, 8))
    assert others == [drawn.data] * 3


def test_the_question_and_its_options_are_sent() -> None:
    job = vision.describe(b"file", "Where is it?", language="zh", max_new_tokens=9, temperature=0.5, seed=3)

    assert job.inputs["TEXT"] == b"Where is it?"
    assert json.loads(job.inputs["OPTIONS"]) == {
        "language": "zh", "max_new_tokens": 9, "temperature": 0.5, "seed": 3,
    }  # fmt: skip
    parse_options(VisionOptions, job.inputs["OPTIONS"])
    assert json.loads(vision.describe(b"file").inputs["OPTIONS"]) == {}


def test_an_answer_that_was_cut_says_so(client: Client, triton: FakeTriton) -> None:
    told = next(iter(triton.scripts["qwen3_vl"]({"IMAGE": b"", "TEXT": b"", "OPTIONS": b"{}"})))
    result = json.dumps({**json.loads(told["RESULT"]), "finish_reason": "length"}).encode()
    triton.scripts["qwen3_vl"] = lambda _: iter([{**told, "RESULT": result}])

    assert client.vision.describe(b"file").cut


def test_the_async_client_describes_the_same(client: Client, triton: FakeTriton) -> None:
    async def describe() -> Description:
        async with AsyncClient(triton.address) as asking:
            return await asking.vision.describe(b"file", "What is it?")

    described = asyncio.run(describe())
    assert (described.text, described.question) == ("4 bytes", "What is it?")
