"""FFmpeg's sound codecs, packet by packet: one that is damaged harms no other. Nothing here opens anything."""

from collections.abc import Callable, Iterable

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame

from qwen_media.block import Samples
from qwen_media.samples import samples_fault

Sound = tuple[Samples, int]  # (frames, channels), and their rate in Hz


class Decoder:
    """One codec, from the beginning of a stream."""

    def __init__(self, name: str, *, extradata: bytes | None = None, rate_hz: int | None = None) -> None:
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, av.AudioCodecContext)
        context.thread_count = 1
        if name == "flac":  # whose frames have checksums
            context.options = {"err_detect": "crccheck+explode"}
        if extradata is not None:
            context.extradata = extradata
        if rate_hz is not None:
            context.sample_rate = rate_hz
        self._context = context

    def decode(self, packet: memoryview) -> list[Sound] | None:
        """What is in a packet; None: it is damaged."""
        frames = tried(lambda: self._context.decode(av.Packet(bytes(packet))))
        found = None if frames is None else [(floats(frame), frame.sample_rate) for frame in frames]
        return None if found is None or any(samples_fault(samples) for samples, _ in found) else found


def tried(decode: Callable[[], Iterable[AudioFrame]]) -> list[AudioFrame] | None:
    """The frames that `decode` gives; None: they cannot be decoded."""
    try:
        return list(decode())
    except MemoryError:
        raise
    except av.error.FFmpegError:
        return None


def floats(frame: AudioFrame) -> Samples:
    """Samples (frames, channels), full scale 1."""
    array = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)
    if samples.dtype == np.float32:
        return samples.astype(np.float32, copy=False)
    if samples.dtype.kind == "f":
        with np.errstate(all="ignore"):  # what is no sample is found and told later
            return samples.astype(np.float32)
    bits = 8 * samples.dtype.itemsize
    offset = 128 if samples.dtype.kind == "u" else 0
    return (samples.astype(np.float32) - np.float32(offset)) * np.float32(2.0 ** (1 - bits))
