"""Recordings to clone voices from: those who speak go on meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import ClonedVoice, Reference, Speak
from qwen_engine.tts.settings import TtsSettings
from qwen_server.home import project_home
from tests.recorder import WAIT_S, run


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


def test_while_a_voice_is_cloned_those_who_speak_go_on(engine, monkeypatch):
    base, held, let_go = engine.checkpoints["base"], threading.Event(), threading.Event()
    clone = base.clone

    def cloning(reference: Reference, tenant: str) -> ClonedVoice:
        held.set()
        assert let_go.wait(WAIT_S)
        return clone(reference, tenant)

    monkeypatch.setattr(base, "clone", cloning)
    noise = np.random.default_rng(0).normal(scale=0.1, size=24_000).astype(np.float32)
    like = Speak("Hello everyone.", max_audio_s=2, reference=Reference(noise), consent="mine")
    with ThreadPoolExecutor(1) as caller:
        cloned = caller.submit(run, engine, like)
        assert held.wait(WAIT_S)
        (speaking,) = run(engine, Speak("Good morning everyone.", max_audio_s=20))
        assert speaking.outcome() == "stop"
        assert not cloned.done()
        let_go.set()
        (sink,) = cloned.result()
    assert sink.outcome() in ("stop", "length")


def test_a_recording_is_cloned_once(engine, monkeypatch):
    """Also where several of a tenant's requests bring it at once; another tenant's is cloned anew."""
    cloner = engine.checkpoints["base"]._cloner
    clone, cloned = cloner._clone, []

    def counting(reference: Reference) -> ClonedVoice:
        cloned.append(reference)
        return clone(reference)

    monkeypatch.setattr(cloner, "_clone", counting)
    noise = np.random.default_rng(0).normal(scale=0.1, size=24_000).astype(np.float32)
    with ThreadPoolExecutor(4) as callers:
        voices = list(callers.map(lambda tenant: engine.clone(Reference(noise), tenant), ["one"] * 4 + ["two"]))
    assert len(cloned) == 2
    assert all(torch.equal(voice.embedding, voices[0].embedding) for voice in voices)
