"""A voice that is only described belongs to nobody: it is decided by the first words, and must then stay."""

import numpy as np
import pytest
import torch

from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import SamplingOverrides, Speak
from qwen_engine.tts.settings import TtsSettings
from qwen_server.home import project_home
from tests.parity.schedules import heard
from tests.recorder import run

TEXT = (  # four pieces
    "Good morning everyone. The meeting starts at nine o'clock. Please call Anna on Friday. "
    "We agreed on the plan and the budget."
)
RATE_HZ = 24000
WINDOW = 4096
HIGHEST_HZ, LOWEST_HZ = 400, 70
VOICED = 0.6
NEARLY_BEST = 0.9  # the multiples of a period are as good as itself
SAME_VOICE = 1.2


@pytest.fixture(scope="module")
def engine() -> TtsEngine:
    torch.set_num_threads(1)
    folder = project_home() / "demo" / "checkpoints" / "tts_design"
    return TtsEngine(TtsSettings(checkpoint=str(folder), max_positions=512, max_piece_chars=40))


def pitch_hz(samples: np.ndarray) -> float:
    """The median over windows with a clear period: the shortest lag at which the sound is like itself."""
    shortest, longest = RATE_HZ // HIGHEST_HZ, RATE_HZ // LOWEST_HZ
    found = []
    for start in range(0, len(samples) - WINDOW, WINDOW // 2):
        window = samples[start : start + WINDOW] * np.hanning(WINDOW)
        likeness = np.correlate(window, window, "full")[WINDOW - 1 : WINDOW + longest]
        periods = likeness[shortest:] / max(likeness[0], 1e-9)
        if periods.max() > VOICED:
            found.append(RATE_HZ / (shortest + int(np.argmax(periods > NEARLY_BEST * periods.max()))))
    return float(np.median(found))


@pytest.mark.parametrize(("told", "seed"), [("A voice that speaks slowly.", 2), ("Speak fast.", 3), ("Speak fast.", 4)])
def test_a_designed_voice_stays_the_same_from_piece_to_piece(engine, told, seed):
    """Unkept, these seeds begin in one voice and end in another."""
    sampled = SamplingOverrides(temperature=0.9)
    request = Speak(TEXT, max_audio_s=40, instruction=told, seed=seed, sampling=sampled, sub_sampling=sampled)
    (sink,) = run(engine, request)
    assert sink.outcome() == "stop"
    first, *_, last = (pitch_hz(part) for part in np.array_split(heard(sink), 3))
    assert 1 / SAME_VOICE < last / first < SAME_VOICE
