"""Recordings to clone voices from, many at once: those who speak go on in between."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from qwen_engine.settings import TtsSettings
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import AddVoice, Reference, Speak
from qwen_server.home import project_home
from tests.recorder import run

NUM_VOICES = 6


@pytest.fixture
def engine(tmp_path) -> TtsEngine:
    torch.set_num_threads(1)
    checkpoints = project_home() / "demo" / "checkpoints"
    return TtsEngine(
        TtsSettings(
            checkpoint=str(checkpoints / "tts"),
            base_checkpoint=str(checkpoints / "tts_base"),
            voice_folder=str(tmp_path),
            max_positions=512,
        )
    )


def test_between_two_references_those_who_speak_go_on(engine, monkeypatch):
    order: list[str] = []
    base, batch = engine.checkpoints["base"], engine._batches["custom_voice"]
    clone, step = base.clone, batch.step

    def cloning(reference: Reference, tenant: str):
        order.append("reference")
        return clone(reference, tenant)

    def stepping() -> bool:
        order.append("frame")
        return step()

    monkeypatch.setattr(base, "clone", cloning)
    monkeypatch.setattr(batch, "step", stepping)
    noise = np.random.default_rng(0).normal(scale=0.1, size=(NUM_VOICES, 24_000)).astype(np.float32)
    voices = [AddVoice(f"voice-{number}", Reference(one), "mine", "default") for number, one in enumerate(noise)]
    sinks = run(engine, Speak("Good morning everyone.", max_audio_s=20, voice=None), *voices)
    assert [sink.outcome() for sink in sinks] == ["stop"] * len(sinks)
    assert order.count("reference") == NUM_VOICES
    assert ("reference", "reference") not in set(pairwise(order))
