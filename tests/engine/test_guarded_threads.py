"""A thread of an engine that meets what nobody foresaw fails what it held, and serves the next request."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import AsrRequest
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.loop import EngineLoop
from qwen_wire.errors import ServerError
from tests.parity.official import CUSTOM_VOICE_CASES
from tests.parity.schedules import make_engine
from tests.parity.upstream_asr import CHECKPOINT
from tests.recorder import Recorder, run

WAIT_S = 60.0
SETTINGS = AsrSettings(checkpoint=str(CHECKPOINT), max_batch=4, max_positions=768)


def leaving_python(*_: Any, **__: Any) -> Any:
    sys.exit()


class Raising(Recorder):
    """A sink that takes no event, and no failure."""

    def emit(self, event: object) -> None:
        raise RuntimeError("the queue is full")

    def fail(self, error: Exception) -> None:
        super().fail(error)
        raise RuntimeError("the queue is full")


@pytest.fixture(scope="module")
def speech(audio) -> np.ndarray:
    return soundfile.read(audio / "request.wav", dtype="float32")[0]


@pytest.fixture(scope="module")
def hearing() -> AsrEngine:
    torch.set_num_threads(1)
    return AsrEngine(SETTINGS)


@pytest.fixture(scope="module")
def voice(tmp_path_factory) -> Any:
    torch.set_num_threads(1)
    return make_engine(max_batch=4, voice_folder=str(tmp_path_factory.mktemp("voices")))


def test_the_encoder_of_sound(hearing, speech, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(hearing.checkpoint, "encoder", leaving_python)
        (unlucky,) = run(hearing, AsrRequest(speech))
    assert isinstance(unlucky.outcome(), ServerError)
    (after,) = run(hearing, AsrRequest(speech))
    assert after.events[0].text


def test_the_timer_of_words(speech):
    class Timer:
        def times(self, *_: Any, **__: Any) -> Any:
            sys.exit()

    (sink,) = run(AsrEngine(SETTINGS, Timer()), AsrRequest(speech, timestamps="word"))
    assert sink.outcome() == "stop"
    assert sink.events[0].text
    assert sink.events[0].failed


def test_the_codec(voice, monkeypatch):
    request = CUSTOM_VOICE_CASES[0].request()
    codecs = [checkpoint.codec for checkpoint in voice.checkpoints.values()]
    with monkeypatch.context() as patched:
        for codec in codecs:
            patched.setattr(codec, "decode", leaving_python)
        (unlucky,) = run(voice, request)
    assert isinstance(unlucky.outcome(), ServerError)
    (after,) = run(voice, request)
    assert after.outcome() == "stop"
    assert after.events


@pytest.mark.parametrize("model", ["hearing", "voice"])
def test_a_sink_that_raises_on_a_thread_of_the_engine(model, request, speech):
    """It ends its own request, while a mate of the batch is served."""
    engine = request.getfixturevalue(model)
    make: Callable[[], Any] = (
        (lambda: AsrRequest(speech)) if model == "hearing" else (lambda: CUSTOM_VOICE_CASES[0].request())
    )
    loop, unlucky, mate, after = EngineLoop(engine, max_queue=8, max_wait_s=WAIT_S), Raising(), Recorder(), Recorder()
    loop.submit([(make(), unlucky), (make(), mate)])
    assert mate.outcome() == "stop"
    assert isinstance(unlucky.outcome(), ServerError)
    loop.submit([(make(), after)])
    assert after.outcome() == "stop"
    loop.close(WAIT_S)
