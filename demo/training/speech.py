"""Speech for training and evaluation, made by espeak-ng (Debian package `espeak-ng`)."""

import io
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan")
VARIANTS = ("", "+m1", "+m3", "+m7", "+f1", "+f2", "+f4")


@dataclass(frozen=True)
class Voice:
    """How espeak-ng speaks: voice name with variant, words per minute, pitch 0..99."""

    name: str = "en-us"
    speed_wpm: int = 160
    pitch: int = 50


def random_voice(rng: random.Random) -> Voice:
    """Any of 35 voices at a random speed and pitch."""
    return Voice(rng.choice(ACCENTS) + rng.choice(VARIANTS), rng.randint(130, 200), rng.randint(25, 75))


def speak(text: str, voice: Voice, *, sample_rate_hz: int) -> np.ndarray:
    """Mono float32 in [-1, 1]."""
    command = ["espeak-ng", "-v", voice.name, "-s", str(voice.speed_wpm), "-p", str(voice.pitch)]
    done = subprocess.run([*command, "--stdout", "--", text], capture_output=True, check=True, timeout=30)
    samples, rate_hz = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    return soxr.resample(samples, rate_hz, sample_rate_hz).astype(np.float32)


def speak_all(texts: list[str], voices: list[Voice], *, sample_rate_hz: int) -> list[np.ndarray]:
    """`speak` over pairs of text and voice, in order."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda pair: speak(*pair, sample_rate_hz=sample_rate_hz), zip(texts, voices, strict=True)))
