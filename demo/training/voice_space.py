"""A voice in eight numbers: pitch, speed and timbre. `python -m demo.training.voice_space` measures the timbres.

The speaker encoder learns to hear these numbers, the talker to obey them; so the two can be trained apart. The file,
build/training/timbres.npz, holds the timbre of every training voice: the leading components of its mean latent.
"""

import functools
from pathlib import Path

import numpy as np
import torch

from demo.training.speech import Voice
from demo.training.speech_codes import CodeBooks, features
from demo.training.tts_config import BUILD
from demo.training.tts_data import training_texts
from demo.training.tts_speech import flat
from demo.training.tts_voices import ACCENTS, VARIANTS, natural_hz

FILE = BUILD / "timbres.npz"
NUM_THREADS = 1
SEED = 31
NUM_TEXTS = 12
SPEED_WPM = 160
NUM_TIMBRES = 6
DIMENSION = 2 + NUM_TIMBRES
MIDDLE_HZ, MIDDLE_WPM = 140, 160
PITCH_SPREAD, SPEED_SPREAD = 0.45, 0.15  # of the logarithms, about one standard deviation


@functools.cache
def _timbres() -> dict[str, np.ndarray]:
    with np.load(FILE) as arrays:
        return dict(zip(arrays["names"].tolist(), arrays["timbres"], strict=True))


def describe_prosody(voice: Voice) -> np.ndarray:
    """Pitch and speed of any voice, each of about unit variance."""
    pitch = np.log(natural_hz(voice) / MIDDLE_HZ) / PITCH_SPREAD
    speed = np.log(voice.speed_wpm / MIDDLE_WPM) / SPEED_SPREAD
    return np.array([pitch, speed], dtype=np.float32)


def describe(voice: Voice) -> np.ndarray:
    """The eight numbers of a training voice, each of about unit variance."""
    return np.concatenate([describe_prosody(voice), _timbres()[voice.name].astype(np.float32)])


def measure(path: Path = FILE) -> None:
    books = CodeBooks.load()
    names = [accent + variant for accent in ACCENTS for variant in VARIANTS]
    texts = training_texts(NUM_TEXTS, SEED)
    means = []
    for name in names:
        frames = torch.cat([features(flat(text, Voice(name, SPEED_WPM))) for text in texts])
        means.append(((frames - books.mean) @ books.components).mean(0))
    centred = torch.stack(means) - torch.stack(means).mean(0)
    scores = torch.linalg.svd(centred, full_matrices=False).U[:, :NUM_TIMBRES] * len(names) ** 0.5
    np.savez(path, names=names, timbres=scores.numpy())


if __name__ == "__main__":
    torch.set_num_threads(NUM_THREADS)
    measure()
