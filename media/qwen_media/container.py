"""Files with an index or a clock, read by FFmpeg: MP4, Matroska, Ogg, AIFF, CAF, AU.

Each is opened as what it is, from memory, with no way to open anything else: no protocol is allowed, no format but the
one, no codec but those of sound.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from qwen_media.block import Block, Blocks, joined
from qwen_media.clock import Placement
from qwen_media.codec import floats, tried
from qwen_media.errors import BadMedia
from qwen_media.limits import SoundLimits
from qwen_media.memory_file import MemoryFile
from qwen_media.samples import samples_fault

INTEGERS = [f"pcm_s{bits}{end}" for bits in (16, 24, 32) for end in ("le", "be")]
FLOATS = [f"pcm_f{bits}{end}" for bits in (32, 64) for end in ("le", "be")]
PLAIN_CODECS = {"pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_u8", *INTEGERS, *FLOATS}
CODECS = PLAIN_CODECS | {
    *("aac", "ac3", "adpcm_ima_wav", "adpcm_ms", "alac", "amrnb", "amrwb", "eac3", "flac", "gsm_ms", "mp3", "mp3float"),
    *("opus", "vorbis"),
}
OPTIONS = {"protocol_whitelist": "", "codec_whitelist": ",".join(sorted(CODECS)), "max_streams": "64"}
BUFFER_BYTES = 1 << 17
ZERO_BASED = {"mov", "matroska"}  # whose clock begins with the file
MIN_MISSING_S = 0.5  # a told duration is no more exact than that
MAX_TOLD_S = 12 * 3600.0
MICROSECONDS = 1e6


def container_blocks(
    data: memoryview,
    name: str,
    limits: SoundLimits,
    *,
    is_first: bool = True,
    num_mended: int = 0,
    is_cut: bool = False,
) -> Blocks:
    """The sound of one file of FFmpeg's format `name`.

    `is_first`: no other was read before it that it continues. `num_mended`: places where it was damaged, so that its
    gaps are damage. `is_cut`: its end is missing, if it tells of more.
    """
    with _opened(data, name) as container:
        stream = _sound_of(container)
        context = stream.codec_context
        limits.check_form(context.sample_rate, context.channels)
        placement = _placement(container, stream, name, is_first, bool(num_mended))
        yield from joined(_placed(container, stream, placement))
        if placement.form is None:
            return
        missing_s = max(0.0, num_mended * placement.frame_s - placement.missing_s)
        promised_s = _told_s(container, stream) - placement.position_s
        if is_cut and promised_s > MIN_MISSING_S:
            missing_s += promised_s
        if missing_s:
            rate_hz, num_channels = placement.form
            yield Block(np.zeros((0, num_channels), np.float32), rate_hz, missing_s)


@contextmanager
def _opened(data: memoryview, name: str) -> Iterator[InputContainer]:
    try:
        container = av.open(
            MemoryFile(data),
            "r",
            format=name,
            container_options={**OPTIONS, "format_whitelist": name},
            metadata_errors="replace",
            buffer_size=BUFFER_BYTES,
        )
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise BadMedia("is damaged or cut short: what is in it cannot be found") from error
    with container:
        yield container


def _sound_of(container: InputContainer) -> AudioStream:
    for stream in container.streams.audio:
        if stream.codec_context is not None and stream.codec_context.name in CODECS:
            return stream
    if container.streams.audio:
        raise BadMedia("has sound of a codec that is not read here")
    raise BadMedia("has no sound in it")


def _placement(container: InputContainer, stream: AudioStream, name: str, is_first: bool, is_mended: bool) -> Placement:
    others = [one for one in container.streams if one is not stream and one.type in ("audio", "video")]
    origin_s = 0.0 if name in ZERO_BASED and is_first else None
    if others and container.start_time is not None:
        origin_s = container.start_time / MICROSECONDS
    is_ogg = name == "ogg"
    return Placement(
        origin_s,
        alone=not others,
        is_exact=not is_ogg and stream.codec_context.name != "vorbis",
        gaps_are_damage=is_ogg or is_mended,
    )


def _placed(container: InputContainer, stream: AudioStream, placement: Placement) -> Blocks:
    is_plain = stream.codec_context.name in PLAIN_CODECS
    tick_s = float(stream.time_base or 0)
    for packet in _packets(container, stream):
        start_s = None if packet.pts is None or not tick_s else packet.pts * tick_s
        duration_s = (packet.duration or 0) * tick_s
        if packet.size:
            placement.packet(start_s, duration_s)
        frames = tried(packet.decode)
        if frames is None:
            yield from placement.missing(duration_s)
        for frame in frames or ():
            samples = floats(frame)
            if not is_plain and samples_fault(samples):
                yield from placement.missing(len(samples) / frame.sample_rate)
            else:
                time_s = None if frame.pts is None or not tick_s else frame.pts * tick_s
                yield from placement.sound(samples, frame.sample_rate, time_s)


def _packets(container: InputContainer, stream: AudioStream) -> Iterator["Packet[AudioStream]"]:
    """Until the end, or until there is nothing any more that makes sense."""
    packets = container.demux(stream)
    while True:
        try:
            yield next(packets)
        except MemoryError:
            raise
        except (StopIteration, av.error.FFmpegError):
            return


def _told_s(container: InputContainer, stream: AudioStream) -> float:
    """How long the sound is, as the file tells; 0: it does not."""
    told_s = 0.0
    if stream.duration and stream.time_base:
        told_s = float(stream.duration * stream.time_base)
    elif len(container.streams) == 1 and container.duration:
        told_s = container.duration / MICROSECONDS
    return told_s if told_s < MAX_TOLD_S else 0.0
