"""Pictures described through a real Triton."""

import asyncio
import io
import json
import random
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from demo.training.corpus import Scene
from demo.training.vl_pictures import OTHER_SIDES_PX, PLACES, SQUARE, example, scenes
from demo.training.vl_text import ANSWERS
from qwen_client import AsyncClient, Description, InvalidRequest
from tests.plain_http import post

HOME = Path(__file__).resolve().parents[2]
CIRCLE = Scene("red", "circle", "small", "blue")
PROMPT = "A large green star on a white background."


def drawn(scene: Scene, place: str = "centre", sides_px: tuple[int, int] = SQUARE) -> Image.Image:
    return Image.fromarray(example(scene, place, random.Random(1), sides_px=sides_px).pixels)


def file_of(picture: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


@pytest.fixture(scope="module")
def circle() -> Image.Image:
    """Small and red on blue, at the top left."""
    return drawn(CIRCLE, "top left")


def test_a_picture_is_described_and_asked_about(client, circle):
    described = client.vision.describe(circle)
    assert described.text == "A small red circle on a blue background."
    assert (described.question, described.width, described.height) == ("Describe the picture.", 64, 64)
    assert described.usage.prompt_tokens > described.usage.completion_tokens > 5
    assert not described.cut
    assert 0 <= described.timings.queue_s <= described.timings.total_s
    assert client.vision.describe(circle, "Where is it?").text == "At the top left."
    assert client.vision.describe(circle, language="zh").text == "蓝色背景上的一个小红色圆形。"
    assert client.vision.describe(circle, max_new_tokens=2).cut


def test_pictures_of_any_shape_asked_about_at_once_are_each_caller_s_own(client):
    rng = random.Random(2)
    asked = [
        (drawn(scene, rng.choice(tuple(PLACES)), rng.choice((SQUARE, *OTHER_SIDES_PX))), question)
        for scene in rng.sample(scenes(held_out=True), 12)
        for question in ("", "Where is it?")
    ]
    alone = [client.vision.describe(*one).text for one in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        assert list(pool.map(lambda one: client.vision.describe(*one).text, asked)) == alone
    assert len(set(alone)) > 12


def test_what_our_image_model_draws_is_recognised(client):
    picture = client.image.generate(PROMPT, seed=3)
    assert client.vision.describe(picture).text == PROMPT


def test_a_description_can_be_spoken_by_the_demo_voices():
    """Its words are tokens of the synthesis."""
    known = json.loads((HOME / "demo" / "checkpoints" / "tts" / "vocab.json").read_text())
    described = {ANSWERS["describe"](scene, "centre") for scene in scenes(held_out=True)}
    words = {word for text in described for word in text.removesuffix(".").split()}
    assert [word for word in words if word not in known and f"Ġ{word}" not in known] == []


def test_the_async_client_describes_the_same(server, client, circle):
    async def describe() -> Description:
        async with AsyncClient(server.address.grpc) as asking:
            return await asking.vision.describe(circle, "What shape is it?")

    assert asyncio.run(describe()).text == client.vision.describe(circle, "What shape is it?").text == "A circle."


def test_a_conversation_with_pictures_is_a_chat(client, circle):
    shown, asked = {"type": "image", "image": circle}, {"type": "text", "text": "What shape is it?"}
    answer = client.chat.complete([{"role": "user", "content": [shown, asked]}])
    told = client.vision.describe(circle, "What shape is it?")
    assert (answer.text, answer.finish_reason) == (told.text, "stop") == ("A circle.", "stop")
    assert answer.usage == told.usage
    again = [
        *[{"role": "user", "content": [shown, asked]}, answer.message],
        {"role": "user", "content": [shown, asked]},
    ]
    with client.chat.stream(again, max_tokens=3) as deltas:
        [delta] = deltas
    assert (delta.type, deltas.finish_reason) == ("text", "length")
    with pytest.raises(InvalidRequest, match="IMAGE holds 5 pictures; the limit is 4"):
        client.chat.complete([{"role": "user", "content": [shown] * 5}])


def test_plain_http(server, circle):
    asked = {
        "IMAGE": "data:image/jpeg;base64," + b64encode(file_of(circle, "JPEG")).decode(),
        "TEXT": "",
        "OPTIONS": json.dumps({"input_encoding": "base64"}),
    }
    [told] = post(server, "qwen3_vl/generate", asked)
    result = json.loads(told["RESULT"])
    assert told["TEXT"] == result["text"] == "A small red circle on a blue background."
    assert result["finish_reason"] == "stop"
    assert set(result) == {"text", "question", "width", "height", "usage", "finish_reason", "timings"}


FILE = file_of(drawn(CIRCLE))
BAD = {
    "empty": (b"", {}, "IMAGE is empty"),
    "text": (b"a small red circle", {}, "IMAGE cannot be read as a picture; send a PNG, JPEG or WebP file"),
    "cut": (FILE[:80], {}, "IMAGE"),
    "50 MP": (file_of(Image.new("1", (7072, 7072))), {}, r"IMAGE has 7072 x 7072 = 50013184 pixels; the limit is \d+"),
    "long question": (FILE, {"question": "Why? " * 1000}, "TEXT has 5000 characters; the limit is 2000"),
    "question of many tokens": (FILE, {"question": "xyzzy?" * 330}, r"question and answer .* take \d+"),
    "language": (FILE, {"language": "Klingon"}, "OPTIONS.language is 'Klingon'; allowed: auto, "),
    "budget": (FILE, {"max_new_tokens": 0}, "OPTIONS.max_new_tokens is 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_and_harms_nobody(client, circle, case):
    image, options, message = BAD[case]
    with pytest.raises(InvalidRequest, match=message) as caught:
        client.vision.describe(image, **options)
    assert caught.value.request_id
    assert "Traceback" not in str(caught.value)
    assert client.vision.describe(circle, "What shape is it?").text == "A circle."
