"""What is listened to: sentences that the demo checkpoint never heard, from half a second to half a minute."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from demo.training.corpus import sentences
from demo.training.speech import random_voice, speak_all

SAMPLE_RATE_HZ = 16000
SHORTEST_S, LONGEST_S = 0.5, 30.0
GAP_S = 0.2
NUM_SENTENCES = 48
SEED = 7


@dataclass(frozen=True)
class Clip:
    """A WAV file and how long it lasts."""

    file: Path
    duration_s: float


def benchmark_clips(folder: Path, count: int) -> list[Clip]:
    """`count` clips of lengths spread evenly over 0.5 to 30 s, in random order."""
    rng = random.Random(SEED)
    lengths_s = [float(length_s) for length_s in np.linspace(SHORTEST_S, LONGEST_S, count)]
    rng.shuffle(lengths_s)
    return write_clips(folder, lengths_s)


def write_clips(folder: Path, lengths_s: Sequence[float]) -> list[Clip]:
    """One clip of each length: whole sentences, and the beginning of one more."""
    spoken = _spoken()
    rng = random.Random(SEED)
    clips = []
    for index, length_s in enumerate(lengths_s):
        rng.shuffle(spoken)
        samples = np.concatenate(spoken)[: int(length_s * SAMPLE_RATE_HZ)]
        file = folder / f"{index:03}-{length_s:.1f}s.wav"
        soundfile.write(file, samples, SAMPLE_RATE_HZ)
        clips.append(Clip(file, len(samples) / SAMPLE_RATE_HZ))
    return clips


def _spoken() -> list[np.ndarray]:
    rng = random.Random(SEED)
    texts = [sentence.text for sentence in sentences(NUM_SENTENCES, seed=SEED, held_out=True)]
    gap = np.zeros(int(GAP_S * SAMPLE_RATE_HZ), np.float32)
    voices = [random_voice(rng) for _ in texts]
    spoken = speak_all(texts, voices, sample_rate_hz=SAMPLE_RATE_HZ)
    return [np.concatenate((sentence, gap)) for sentence in spoken]
