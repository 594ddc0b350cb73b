"""Sound files or raw samples in, mono float32 at a wished rate out.

Channels are averaged. Where that would cancel speech (one channel being the other upside down, as a wrong cable makes
it), the loudest channel is taken instead.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qwen_media.block import Block, Blocks, Samples, block_frames
from qwen_media.errors import BadMedia
from qwen_media.formats import read_sound
from qwen_media.limits import SoundLimits
from qwen_media.output import Buffer, Output
from qwen_media.resampling import uniform

SAMPLE_TYPES: dict[str, np.dtype[Any]] = {"pcm_s16le": np.dtype("<i2"), "pcm_f32le": np.dtype("<f4")}
# Unrelated channels (or one among silent ones) leave 1/channels of their power in the average.
CANCELLED_SHARE = 0.25
SAMPLE_BYTES = 4
MAX_ROUNDING = 1024  # samples; a resampler rounds up


@dataclass(frozen=True)
class RawForm:
    """Of samples without a header, interleaved: "pcm_s16le" or "pcm_f32le"."""

    audio_format: str
    rate_hz: int
    num_channels: int


@dataclass(frozen=True)
class Wanted:
    """What a file is to become: mono at `sample_rate_hz`, and no longer than `max_s`. `raw`: None for files."""

    sample_rate_hz: int
    max_s: float
    raw: RawForm | None = None

    @property
    def max_bytes(self) -> int:
        """Of the samples; a resampler rounds up."""
        return (math.ceil(self.max_s * self.sample_rate_hz) + MAX_ROUNDING) * SAMPLE_BYTES


@dataclass(frozen=True)
class Sound:
    """Mono float32 samples (n,), full scale 1, and for how many seconds the file was damaged or not there."""

    samples: Samples
    damage_s: float


def job(payload: memoryview, params: Mapping[str, Any], output: Output) -> dict[str, Any]:
    """`write_sound` as a decoder process does it."""
    raw = params["raw"]
    wanted = Wanted(params["sample_rate_hz"], params["max_s"], None if raw is None else RawForm(**raw))
    return {"damage_s": write_sound(payload, wanted, output)}


def decode_sound(data: bytes, wanted: Wanted) -> Sound:
    """The sound of a file, decoded in this process.

    Raises:
        BadMedia: as `read_sound`, or what `samples_fault` names.
    """
    output = Buffer()
    damage_s = write_sound(memoryview(data), wanted, output)
    return Sound(output.array(np.float32), damage_s)


def write_sound(data: memoryview, wanted: Wanted, output: Output) -> float:
    """Write a file's samples, float32, to `output`; the seconds that are damaged.

    Memory stays bounded by the limit whatever the file claims: the limit is enforced while decoding.

    Raises:
        BadMedia: as `decode_sound`.
    """
    limits = SoundLimits(wanted.max_s)
    mixer = _Mixer()
    damage_s = _write(map(mixer.mix, _read(data, wanted, limits)), wanted.sample_rate_hz, output)
    if loudest := mixer.cancelled():
        output.clear()
        damage_s = _write(
            (mixer.pick(block, loudest) for block in _read(data, wanted, limits)), wanted.sample_rate_hz, output
        )
    return damage_s


def pcm_frames(data: bytes | memoryview, audio_format: str, num_channels: int) -> np.ndarray[Any, Any]:
    """Raw interleaved samples as (frames, channels) of their own type, a view of `data`.

    Raises:
        BadMedia: not a whole number of frames.
    """
    sample_type = SAMPLE_TYPES[audio_format]
    frame_bytes = sample_type.itemsize * num_channels
    if len(data) % frame_bytes:
        raise BadMedia(
            f"has {len(data)} bytes, not a whole number of frames of {frame_bytes} bytes "
            f"({audio_format}, {num_channels} channels)"
        )
    return np.frombuffer(data, sample_type).reshape(-1, num_channels)


def _read(data: memoryview, wanted: Wanted, limits: SoundLimits) -> Blocks:
    raw = wanted.raw
    if raw is None:
        return read_sound(data, limits)
    frames = pcm_frames(data, raw.audio_format, raw.num_channels)
    limits.check_form(raw.rate_hz, raw.num_channels, len(frames))
    if not len(frames):
        raise BadMedia("has no samples")
    return limits.watch(_raw_blocks(frames, raw.rate_hz))


def _raw_blocks(frames: np.ndarray[Any, Any], rate_hz: int) -> Blocks:
    scale = np.float32(2**-15 if frames.dtype.kind == "i" else 1.0)
    step = block_frames(frames.shape[1])
    for start in range(0, len(frames), step):
        yield Block(frames[start : start + step].astype(np.float32) * scale, rate_hz)


class _Mixer:
    """Averages channels, and knows where that was wrong; apart for each number of channels, as a file may change it."""

    def __init__(self) -> None:
        self._mixed_power: dict[int, float] = {}
        self._powers: dict[int, np.ndarray[Any, Any]] = {}

    def mix(self, block: Block) -> Block:
        """One channel of many."""
        num = block.num_channels
        if num == 1 or not len(block.samples):
            return Block(block.samples[:, :1], block.rate_hz, block.missing_s)
        channels = np.ascontiguousarray(block.samples.T)  # sums over rows of two are ten times as slow
        mono = channels.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
        self._mixed_power[num] = self._mixed_power.get(num, 0.0) + float(_powers(mono)[0])
        self._powers[num] = self._powers.get(num, np.zeros(num)) + _powers(channels)
        return Block(mono.T, block.rate_hz, block.missing_s)

    def cancelled(self) -> dict[int, int]:
        """The loudest channel, by the number of channels, where the average is next to nothing."""
        return {
            num: int(powers.argmax())
            for num, powers in self._powers.items()
            if self._mixed_power[num] < CANCELLED_SHARE / num * powers.mean()
        }

    def pick(self, block: Block, loudest: Mapping[int, int]) -> Block:
        """The channel that is to be taken, or the average."""
        if block.num_channels not in loudest:
            return self.mix(block)
        channel = loudest[block.num_channels]
        return Block(block.samples[:, channel : channel + 1], block.rate_hz, block.missing_s)


def _powers(channels: Samples) -> np.ndarray[Any, Any]:
    """Of each channel of (channels, frames)."""
    powers: np.ndarray[Any, Any] = np.square(channels, dtype=np.float64).sum(axis=1)
    return powers


def _write(blocks: Blocks, sample_rate_hz: int, output: Output) -> float:
    """Resample and join blocks of one channel; the seconds that are damaged."""
    damage_s = 0.0
    for block in uniform(blocks, sample_rate_hz, 1):
        output.write(block.samples)
        damage_s += block.missing_s
    return damage_s
