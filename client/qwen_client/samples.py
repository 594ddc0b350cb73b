"""Arrays of samples as callers have them: of any known number type and layout, at a rate that sound has."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qwen_wire.errors import InvalidRequest

Array = npt.NDArray[Any]

RATES_HZ = (4_000, 384_000)
MAX_CHANNELS = 64
LOUDEST = 100.0  # of floats, whose full scale is 1; the server's limit, too
# Integers fill their type; 8 bits without a sign are centred on 128, as in WAV.
NATIVE = {"int8": np.int16, "uint8": np.int16, "int16": np.int16, "int32": np.int32}
TYPES = "float16, float32, float64, int8, uint8, int16 or int32"


def check_rate(rate_hz: float, name: str = "the rate of audio") -> None:
    """Raise `InvalidRequest` unless sound has such a rate."""
    low, high = RATES_HZ
    if isinstance(rate_hz, bool) or not low <= rate_hz <= high or rate_hz != int(rate_hz):
        raise InvalidRequest(f"{name} is {rate_hz}: give a whole number from {low} to {high} (Hz)")


def native_samples(samples: Array, channels: int | None = None) -> Array:
    """Samples as int16, int32 or float32 of this machine's byte order, shape [n, channels]; floats are finite.

    `channels` None: as many as the shape says. One channel may be [n], [n, 1] or [1, n].

    Raises `InvalidRequest` for other types, for shapes that are not [samples, channels], and for floats that are no
    sound: NaN, infinite, or on a scale of 32768.
    """
    return _native(_framed(samples, channels))


def _framed(samples: Array, channels: int | None) -> Array:
    shape = samples.shape
    may_be_mono = channels in (None, 1)
    if samples.ndim == 1 and may_be_mono:
        return samples[:, None]
    if samples.ndim == 2 and may_be_mono and shape[0] == 1:
        return samples.T
    if samples.ndim == 2 and shape[1] == channels:
        return samples
    if samples.ndim == 2 and channels is None and 1 <= shape[1] <= MAX_CHANNELS:
        return samples
    raise InvalidRequest(_shape_problem(samples, channels))


def _shape_problem(samples: Array, channels: int | None) -> str:
    shape = list(samples.shape)
    wanted = "[samples] or [samples, channels]" if channels is None else f"[samples, {channels}]"
    wanted = "[samples], [samples, 1] or [1, samples]" if channels == 1 else wanted
    problem = f"audio is {samples.dtype} of shape {shape}; allowed: {wanted}"
    is_turned = samples.ndim == 2 and (shape[0] == channels or (channels is None and shape[0] <= MAX_CHANNELS))
    if is_turned and shape[0] != 1:
        return f"{problem}. This looks like [channels, samples]: give audio.T"
    return f"{problem}, up to {MAX_CHANNELS} channels" if channels is None else problem


def _native(samples: Array) -> Array:
    if samples.dtype.kind == "f":
        return _finite(samples)
    if samples.dtype.name not in NATIVE:
        raise InvalidRequest(f"audio is {samples.dtype}, of which nobody knows the full scale; allowed: {TYPES}")
    native = samples.astype(NATIVE[samples.dtype.name])
    if samples.dtype == np.uint8:
        native -= 128
    return native << 8 if samples.dtype.itemsize == 1 else native


def _finite(samples: Array) -> Array:
    peak = float(np.maximum(samples.max(initial=0.0), -samples.min(initial=0.0)))
    if not np.isfinite(peak):
        raise InvalidRequest("audio has NaN or infinite samples; give finite ones, of which full scale is 1.0")
    if peak > LOUDEST:
        raise InvalidRequest(
            f"audio is {samples.dtype} with a sample of {peak:g}, but full scale of floats is 1.0: "
            "divide by 32768 what was 16-bit, or give int16"
        )
    return samples.astype(np.float32)
