"""The reference engines on the demo checkpoints, through the loop."""

import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from qwen_engine.loop import EngineLoop
from qwen_engine.reference.asr import AsrRequest, ReferenceAsr, Transcript
from qwen_engine.reference.image import ImageRequest, Picture, Progress, ReferenceImage
from qwen_engine.settings import AsrSettings, ImageSettings
from tests.recorder import Recorder, run

CHECKPOINTS = Path(__file__).resolve().parents[2] / "demo" / "checkpoints"
WAIT_S = 60


@pytest.fixture(scope="module")
def asr() -> ReferenceAsr:
    return ReferenceAsr(AsrSettings(checkpoint=str(CHECKPOINTS / "asr")))


@pytest.fixture(scope="module")
def clips(audio) -> dict[str, np.ndarray]:
    return {name: soundfile.read(audio / f"{name}.wav", dtype="float32")[0] for name in ("request", "message")}


def test_batch_mates_of_other_lengths_do_not_change_a_transcript(asr, clips):
    silence = np.zeros(30_000, np.float32)
    requests = [AsrRequest(clip) for clip in (clips["message"], silence, clips["request"], clips["message"][:12_000])]
    together = [sink.events for sink in run(asr, *requests)]
    alone = [run(asr, request)[0].events for request in requests]
    assert together == alone
    assert together[1] == [Transcript("", None, 30_000 / 16_000)]


def test_a_budget_is_kept_and_told(asr, clips):
    short, full = run(asr, AsrRequest(clips["message"], max_new_tokens=6), AsrRequest(clips["message"]))
    assert short.outcome() == "length"
    assert full.outcome() == "stop"
    assert len(short.events[0].text) < len(full.events[0].text)


def test_a_forced_language_is_the_result_s_language(asr, clips):
    for language in ("English", "en"):
        assert run(asr, AsrRequest(clips["message"], language=language))[0].events[0].language == "English"


def test_a_cancelled_picture_stops_at_the_next_step():
    settings = ImageSettings(checkpoint=str(CHECKPOINTS / "image"))
    loop = EngineLoop(ReferenceImage(settings), max_queue=4, max_wait_s=60)
    sessions = []
    ready = threading.Event()

    def cancel_after_two_steps(event: object) -> None:
        if isinstance(event, Progress) and event.step == 2:
            assert ready.wait(WAIT_S)
            sessions[0].cancel()

    sink = Recorder(cancel_after_two_steps)
    request = ImageRequest("a red circle", width=64, height=64, steps=8, true_cfg_scale=1.0)
    sessions += loop.submit([(request, sink)])
    ready.set()
    assert sink.done.wait(WAIT_S)
    loop.close(WAIT_S)
    assert sink.outcome() == "cancelled"
    assert sink.events == [Progress(1, 8), Progress(2, 8)]
    assert not any(isinstance(event, Picture) for event in sink.events)
