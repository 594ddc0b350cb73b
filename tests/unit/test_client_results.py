"""What every result and every error of the SDK can do: short reprs, HTML, bytes and files, pickles."""

import asyncio
import copy
import io
import itertools
import json
import pickle
import wave
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from chain_scripts import CHAIN_SCRIPTS
from client_scripts import SCRIPTS
from fake_triton import FakeTriton, Payloads
from PIL import Image
from pydantic import BaseModel

from qwen_client import (
    AsyncClient,
    ChainFailed,
    Client,
    DeadlineExceeded,
    InvalidRequest,
    QwenError,
    ServerError,
    SpokenDescription,
    WorkflowResult,
)

RESULTS: dict[str, Callable[[Client], Any]] = {
    "transcribe": lambda client: client.asr.transcribe(b"x" * 50),
    "synthesize": lambda client: client.tts.synthesize("Hello. " * 100),
    "audio chunk": lambda client: next(client.tts.stream("Hello.")),
    "complete": lambda client: client.chat.complete("hello"),
    "generate": lambda client: client.image.generate("a ring " * 100),
    "describe": lambda client: client.vision.describe(b"x"),
    "chart": lambda client: client.charts.bars({"a": [1.0]}, ["b"]),
    "spoken_image": lambda client: client.chains.spoken_image(b"x"),
    "meeting_minutes": lambda client: client.chains.meeting_minutes([b"x", b"y"]).result(),
    "storyboard": lambda client: client.chains.storyboard("A ring.").result(),
    "courseware": lambda client: client.chains.courseware("A ring.").result(),
    "product_ad": lambda client: client.chains.product_ad("A ring.").result(),
    "describe_aloud": lambda client: client.chains.describe_aloud(b"x").result(),
}


@pytest.fixture
def triton() -> Iterator[FakeTriton]:
    with FakeTriton({**SCRIPTS, **CHAIN_SCRIPTS}) as server:
        yield server


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_shown_on_a_short_line(name: str, client: Client) -> None:
    result = RESULTS[name](client)
    shown = repr(result)
    assert shown.startswith(f"{type(result).__name__}(")
    assert len(shown) < 700
    assert "\\x" not in shown


@pytest.mark.parametrize("name", [name for name in RESULTS if name != "audio chunk"])
def test_notebooks_show_results(name: str, client: Client) -> None:
    result = RESULTS[name](client)
    if hasattr(result, "text") and not hasattr(result, "_repr_html_"):
        assert name == "describe"  # a text, which print shows
    else:
        assert "<" in result._repr_html_()


def test_html_shows_markup_in_texts_as_it_is(client: Client, triton: FakeTriton) -> None:
    evil = "<script>alert(1)</script>"
    shown = client.chat.complete("hello")
    replaced = type(shown)(evil, evil, shown.finish_reason, shown.usage, shown.timings, "1")
    assert evil not in replaced._repr_html_()
    workflow = WorkflowResult(
        {evil: evil, "file": b"\x89PNG" + b"x" * 2000, "many": [1, {"a": evil}]}, {}, (), "", shown.timings, "1"
    )
    assert evil not in workflow._repr_html_()
    assert "png, 2,004 bytes" in workflow._repr_html_()
    assert evil not in SpokenDescription(evil, None)._repr_html_()


def test_sounds_as_bytes_and_to_open_files(client: Client) -> None:
    speech = client.tts.synthesize("Hello.")
    file = io.BytesIO()
    speech.save(file)
    assert file.getvalue() == speech.to_bytes() == speech.to_bytes("wav")
    with wave.open(io.BytesIO(speech.to_bytes())) as read:
        assert read.getnframes() == len(speech.samples)
    flac = io.BytesIO()
    speech.save(flac, "flac")
    assert flac.getvalue()[:4] == b"fLaC"
    with pytest.raises(InvalidRequest, match="format is 'wma'; known: wav, flac"):
        speech.to_bytes("wma")  # type: ignore[arg-type]


def test_pictures_as_bytes_and_to_open_files(client: Client, tmp_path: Any) -> None:
    picture = client.image.generate("a ring")
    file = io.BytesIO()
    picture.save(file)
    assert file.getvalue() == picture.to_bytes() == picture.data
    for name in ("jpeg", "jpg", "webp"):
        with Image.open(io.BytesIO(picture.to_bytes(name))) as other:
            assert other.format == {"jpg": "JPEG"}.get(name, name.upper())
    picture.save(tmp_path / "without_suffix", "jpeg")
    with Image.open(tmp_path / "without_suffix") as other:
        assert other.format == "JPEG"
    with pytest.raises(InvalidRequest, match="format is 'nothing'"):
        picture.to_bytes("nothing")


ERRORS = [
    InvalidRequest("a", request_id="7"),
    ServerError(),
    DeadlineExceeded("late", "DEADLINE_EXCEEDED", "8"),
    ChainFailed("pictures", "the queue is full", "UNAVAILABLE", "9", result={"a": 1}),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("copied", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_errors_go_through_pickles(error: QwenError, copied: Callable[[QwenError], QwenError]) -> None:
    same = copied(error)
    assert type(same) is type(error)
    assert (str(same), same.args, vars(same)) == (str(error), error.args, vars(error))


WRONG_TYPES: dict[str, Callable[[Client], object]] = {
    "audio is int": lambda client: client.asr.transcribe(5),  # type: ignore[arg-type]
    "audio is a file that is open for text": lambda client: client.asr.transcribe(io.StringIO("x")),  # type: ignore[arg-type]
    "the picture is list": lambda client: client.vision.describe([1]),  # type: ignore[arg-type]
    "text is int": lambda client: client.tts.synthesize(5),  # type: ignore[arg-type]
    "text is bytes": lambda client: client.tts.synthesize(b"hello"),  # type: ignore[arg-type]
    "the options: not JSON": lambda client: client.tts.synthesize("hello", voice=object()),  # type: ignore[arg-type]
    "messages: give a text": lambda client: client.chat.complete(["hello"]),  # type: ignore[list-item]
    "stop is int": lambda client: client.chat.complete("hello", stop=5),  # type: ignore[arg-type]
    "holds no base64": lambda client: client.chat.complete(
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]
    ),
    "voices is int": lambda client: client.chains.product_ad("a ring", voices=5),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("message", "call"), WRONG_TYPES.items())
def test_wrong_types_are_refused_before_they_are_sent(
    message: str, call: Callable[[Client], object], client: Client, triton: FakeTriton
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        call(client)
    assert triton.received == []


def test_numbers_of_numpy_are_numbers(client: Client, triton: FakeTriton) -> None:
    client.tts.synthesize("hello", seed=np.int64(3), temperature=np.float32(0.5))
    assert triton.received[0].inputs["OPTIONS"] == b'{"seed": 3, "temperature": 0.5}'


def test_one_text_is_no_list_of_characters(client: Client, triton: FakeTriton) -> None:
    client.chat.complete("hello", stop="end")
    assert b'"stop": ["end"]' in triton.received[0].inputs["OPTIONS"]
    client.chains.product_ad("A ring.", voices="ava").result()
    assert b'"voices": ["ava"]' in triton.received[1].inputs["OPTIONS"]


def test_parts_of_text_are_text(client: Client, triton: FakeTriton) -> None:
    parts = [{"type": "text", "text": "Hello."}, {"type": "text", "text": "Who is it?"}]
    client.chat.complete([{"role": "user", "content": parts}])
    assert b"Hello.\\nWho is it?" in triton.received[0].inputs["OPTIONS"]


PNG = b"\x89PNG and so on"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "image": PNG},
        {"type": "image", "image": io.BytesIO(PNG)},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(PNG).decode()}"}},
    ],
)
def test_conversations_with_pictures_go_to_the_model_that_sees(part: Any, client: Client, triton: FakeTriton) -> None:
    talk = [{"role": "user", "content": [part, {"type": "text", "text": "Where is it?"}]}]
    answer = client.chat.complete(talk, system="Be brief.", max_tokens=9, temperature=0.5, seed=3)

    [request] = triton.received
    assert (request.model, request.inputs["IMAGE"]) == ("qwen3_vl", PNG)
    shown = [{"type": "image"}, {"type": "text", "text": "Where is it?"}]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": shown}]
    wanted = {"messages": messages, "max_new_tokens": 9, "temperature": 0.5, "seed": 3}
    assert json.loads(request.inputs["OPTIONS"]) == wanted
    assert answer.text == client.vision.describe(PNG, "Where is it?").text
    assert answer.finish_reason == "stop"
    assert answer.usage.completion_tokens > 0


def test_the_answer_about_a_picture_streams_in_one_piece(client: Client) -> None:
    with client.chat.stream([{"role": "user", "content": [{"type": "image", "image": PNG}]}]) as deltas:
        assert [(delta.type, delta.index) for delta in deltas] == [("text", 0)]
    assert deltas.finish_reason == "stop"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"type": "input_audio", "input_audio": {}}, "part of type input_audio"),
        ({"type": "text", "text": 5}, "part of type text"),
        ("text", "part of type None"),
        ({"type": "image", "image": 5}, "the picture is int"),
        ({"type": "image"}, "the picture is NoneType"),
        ({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, "no data URI"),
        ({"type": "image_url", "image_url": None}, "no data URI"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}, "holds no base64"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,abc"}}, "holds no base64"),
    ],
)
def test_parts_that_cannot_be_sent_are_told(part: Any, message: str, client: Client, triton: FakeTriton) -> None:
    with pytest.raises(InvalidRequest, match=message):
        client.chat.complete([{"role": "user", "content": [part]}])
    assert not triton.received


@pytest.mark.parametrize(
    "options", [{"thinking": True}, {"json_schema": {"type": "object"}}, {"stop": "x"}, {"top_k": 3}]
)
def test_options_that_the_model_that_sees_lacks_are_told(options: Any, client: Client, triton: FakeTriton) -> None:
    with pytest.raises(InvalidRequest, match=f"{next(iter(options))}: qwen3_vl"):
        client.chat.complete([{"role": "user", "content": [{"type": "image", "image": PNG}]}], **options)
    assert not triton.received


class Figure(BaseModel):
    colour: str


def test_pydantic_models_are_schemas(client: Client, triton: FakeTriton) -> None:
    answers = iter(['{"colour": "red"}', '{"colour": 5}', '{"col'])
    whole = triton.scripts["qwen3_chat"]

    def script(inputs: Payloads) -> Iterator[Payloads]:
        *_, last = whole(inputs)
        yield {"text_output": next(answers).encode(), "EVENT": b'{"type": "text", "index": 0}'}
        yield last

    triton.scripts["qwen3_chat"] = script
    assert client.chat.complete("a red ring", json_schema=Figure).parse(Figure) == Figure(colour="red")
    assert b'"colour": {"title": "Colour", "type": "string"}' in triton.received[0].inputs["OPTIONS"]
    for wrong in ("the answer is no Figure", "the answer is not JSON"):
        with pytest.raises(ServerError, match=wrong):
            client.chat.complete("a red ring", json_schema=Figure).parse(Figure)


def test_recordings_without_an_end_are_read_as_they_are_needed(client: Client) -> None:
    given: list[int] = []

    def audios() -> Iterator[bytes]:
        for number in itertools.count(1):
            given.append(number)
            yield b"x" * number

    done: list[tuple[int, int | None]] = []
    outcomes = client.asr.transcribe_many(audios(), concurrency=2, progress=lambda *told: done.append(told))
    heard = [outcome.heard.text for outcome in itertools.islice(outcomes, 5) if outcome.heard]
    assert heard == ["1 bytes", "2 bytes", "3 bytes", "4 bytes", "5 bytes"]
    assert done == [(number, None) for number in range(1, 6)]
    assert len(given) < 20


def test_async_recordings_without_an_end(triton: FakeTriton) -> None:
    async def hear() -> list[str]:
        async with AsyncClient(triton.address) as client:
            outcomes = client.asr.transcribe_many((b"x" * number for number in itertools.count(1)), concurrency=2)
            heard = []
            async for outcome in outcomes:
                heard.append(outcome.heard.text if outcome.heard else "")
                if len(heard) == 3:
                    break
            await outcomes.aclose()
            return heard

    assert asyncio.run(hear()) == ["1 bytes", "2 bytes", "3 bytes"]
