"""Acoustic conditions to measure recognition in: what becomes of a clean clip on its way to the recogniser.

Each gives an audio file, as a caller would send it; `heard` gives the samples that the server makes of it.
"""

import io
from collections.abc import Callable, Mapping

import numpy as np
import soundfile
import soxr

from qwen_media.sound import Wanted, decode_sound

SAMPLE_RATE_HZ = 16000
SNR_DB = 10.0
GAIN_DB = -30.0
TELEPHONE_RATE_HZ = 8000
SILENCE_S = 10.0
# libsndfile takes MP3's bit rate as a share of the way from 160 (0) down to 8 kbit/s (1): here 32 kbit/s.
MP3_COMPRESSION = (160 - 32) / (160 - 8)
MAX_S = 300.0

Condition = Callable[[np.ndarray, np.random.Generator], bytes]


def heard(samples: np.ndarray, condition: Condition, rng: np.random.Generator) -> np.ndarray:
    """What the server hears of clean `samples` (n,), float32 at 16 kHz, under a condition: float32 at 16 kHz."""
    return decode_sound(condition(samples, rng), Wanted(SAMPLE_RATE_HZ, MAX_S)).samples


def clean(samples: np.ndarray, _rng: np.random.Generator) -> bytes:
    return _wav(samples)


def noise_at_10_db(samples: np.ndarray, rng: np.random.Generator) -> bytes:
    """White noise, a tenth of the speech's power."""
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-SNR_DB / 20)
    return _wav(samples + rng.standard_normal(len(samples), dtype=np.float32) * level)


def gain_minus_30_db(samples: np.ndarray, _rng: np.random.Generator) -> bytes:
    return _wav(samples * 10 ** (GAIN_DB / 20))


def rate_8_khz(samples: np.ndarray, _rng: np.random.Generator) -> bytes:
    return _wav(soxr.resample(samples, SAMPLE_RATE_HZ, TELEPHONE_RATE_HZ), TELEPHONE_RATE_HZ)


def mp3_32_kbit(samples: np.ndarray, _rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    form = {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": MP3_COMPRESSION}
    soundfile.write(file, samples, SAMPLE_RATE_HZ, **form)
    return file.getvalue()


def one_silent_channel(samples: np.ndarray, _rng: np.random.Generator) -> bytes:
    return _wav(np.stack([samples, np.zeros_like(samples)], axis=1))


def silence_around(samples: np.ndarray, _rng: np.random.Generator) -> bytes:
    silence = np.zeros(int(SILENCE_S * SAMPLE_RATE_HZ), np.float32)
    return _wav(np.concatenate([silence, samples, silence]))


CONDITIONS: Mapping[str, Condition] = {
    "clean": clean,
    "noise_at_10_db": noise_at_10_db,
    "gain_minus_30_db": gain_minus_30_db,
    "rate_8_khz": rate_8_khz,
    "mp3_32_kbit": mp3_32_kbit,
    "one_silent_channel": one_silent_channel,
    "silence_around": silence_around,
}


def _wav(samples: np.ndarray, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()
