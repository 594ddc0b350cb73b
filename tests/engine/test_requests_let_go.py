"""What a request has brought is freed when it has ended: pictures and sound are too large to wait for the collector."""

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from qwen_engine.aligner.engine import AlignerEngine
from qwen_engine.aligner.request import AlignRequest
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import AsrRequest
from qwen_engine.charts.engine import ChartEngine
from qwen_engine.charts.request import ChartRequest
from qwen_engine.chat.engine import ChatEngine
from qwen_engine.chat.request import ChatRequest
from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.request import ImageRequest
from qwen_engine.loop import EngineLoop, Model
from qwen_engine.sampling import Sampling
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import Reference, Speak
from qwen_engine.vision.engine import VisionEngine
from qwen_engine.vision.request import VisionRequest, asked_about
from qwen_server.profiles import load_profile
from qwen_wire.charts import parse_chart
from tests.costly_parts import SMALL_CHART, as_json
from tests.recorder import WAIT_S, Recorder

SETTINGS = load_profile("demo").models
FREED_S = 10.0
TINY = {"steps": 2, "width": 64, "height": 64}


def sound(audio: Path) -> np.ndarray:
    return soundfile.read(audio / "message.wav", dtype="float32")[0]


def picture() -> Image.Image:
    return Image.new("RGB", (64, 64), "red")


Made = tuple[Model[Any], Callable[[], Any]]


def recogniser(audio: Path) -> Made:
    return AsrEngine(SETTINGS["qwen3_asr"]), lambda: AsrRequest(sound(audio))


def aligner(audio: Path) -> Made:
    return AlignerEngine(SETTINGS["qwen3_aligner"]), lambda: AlignRequest(sound(audio), "Good morning")


def voice(audio: Path) -> Made:
    def request() -> Speak:
        return Speak("Hello.", 0.5, reference=Reference(sound(audio)), consent="made by espeak-ng")

    return TtsEngine(SETTINGS["qwen3_tts"]), request


def chat(audio: Path) -> Made:
    engine = ChatEngine(SETTINGS["qwen3_chat"])
    prompt = engine.checkpoint.tokens.ids("Hello.")
    return engine, lambda: ChatRequest(list(prompt), max_tokens=4, sampling=Sampling(temperature=0.0))


def drawing(audio: Path) -> Made:
    return ImageEngine(SETTINGS["qwen_image"]), lambda: ImageRequest("a ring", num_images=2, **TINY)


def editing(audio: Path) -> Made:
    return ImageEngine(SETTINGS["qwen_image"]), lambda: ImageRequest(
        "a ring", task="edit", images=(picture(),), steps=2
    )


def vision(audio: Path) -> Made:
    engine = VisionEngine(SETTINGS["qwen3_vl"])
    return engine, lambda: VisionRequest(asked_about(engine.checkpoint.processor.process(picture()), "Where?"), 4)


def charts(audio: Path) -> Made:
    told = as_json(SMALL_CHART)
    return ChartEngine(SETTINGS["chart_image"]), lambda: ChartRequest(parse_chart(told), len(told), width=400)


@pytest.mark.parametrize("made", [recogniser, aligner, voice, chat, drawing, editing, vision, charts])
def test_a_request_is_freed_when_it_has_ended(made, audio):
    torch.set_num_threads(1)
    engine, request = made(audio)
    loop = EngineLoop(engine, max_queue=8, max_wait_s=WAIT_S)
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            freed = threading.Event()
            asked = request()
            weakref.finalize(asked, freed.set)
            loop.submit([(asked, sink := Recorder())])
            del asked
            assert sink.outcome() in ("stop", "length")
            sink.events.clear()  # a picture tells what it was made from
            assert freed.wait(FREED_S)
    finally:
        gc.enable()
        loop.close(WAIT_S)
