"""Sound files for tests, of every format, and what becomes of them."""

import io
from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial
from typing import Any

import av
import numpy as np
import soundfile
import soxr

RATE_HZ = 16_000
DURATION_S = 10.0
AMR = "libopencore_amrnb"
LIKE = 0.75  # what a lossy codec leaves


def chirps(duration_s: float = DURATION_S, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A sound that is nowhere like itself: tones that rise and fall, [n] float32."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    pitch_hz = 500 + 300 * np.sin(2 * np.pi * 0.31 * time_s) + 150 * np.sin(2 * np.pi * 1.7 * time_s)
    loudness = 0.55 + 0.45 * np.sin(2 * np.pi * 2.3 * time_s + 1)
    return (0.5 * loudness * np.sin(2 * np.pi * np.cumsum(pitch_hz) / rate_hz)).astype(np.float32)


def file_of(samples: np.ndarray, rate_hz: int = RATE_HZ, **form: Any) -> bytes:
    """What libsndfile writes."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **form)
    return file.getvalue()


def av_file(
    container_format: str,
    codec: str,
    samples: np.ndarray,
    rate_hz: int,
    *,
    start_s: float = 0.0,
    pause_s: tuple[float, float] = (0.0, 0.0),
    jitter: Callable[[], float] = lambda: 0.0,
    with_pictures: bool = False,
    options: dict[str, str] | None = None,
) -> bytes:
    """What FFmpeg writes of mono or stereo samples at `rate_hz`.

    Sound begins `start_s` late, and by the clock there is nothing from `pause_s[0]` of it for `pause_s[1]` seconds;
    `jitter` is how late each frame is besides.
    """
    file = io.BytesIO()
    planes = samples.reshape(len(samples), -1).T
    layout = "stereo" if len(planes) == 2 else "mono"
    with av.open(file, "w", format=container_format, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.layout = layout
        if codec == AMR:
            stream.bit_rate = 12_200
        if with_pictures:
            _add_pictures(container, len(samples) / rate_hz + start_s + pause_s[1])
        resampler = av.AudioResampler(stream.format.name, layout, rate_hz, stream.codec_context.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            at_s = piece.pts / rate_hz
            late_s = start_s + (pause_s[1] if at_s >= pause_s[0] else 0.0) + jitter()
            piece.pts += round(late_s * rate_hz)
            for packet in stream.encode(piece):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()


def _add_pictures(container: av.container.OutputContainer, duration_s: float) -> None:
    stream = container.add_stream("mpeg4" if container.format.name != "webm" else "libvpx", rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    packets = []
    for number in range(round(10 * duration_s)):
        picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number % 255, np.uint8), "rgb24")
        picture.pts, picture.time_base = number, Fraction(1, 10)
        packets += stream.encode(picture)
    for packet in [*packets, *stream.encode(None)]:
        container.mux(packet)


def rewrapped(data: bytes, container_format: str) -> bytes:
    """The same packets in another container."""
    file = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(file, "w", format=container_format) as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return file.getvalue()


def packets(data: bytes) -> list[tuple[int, int]]:
    """Where FFmpeg says the packets of sound lie in a file: position and size."""
    with av.open(io.BytesIO(data)) as container:
        found = container.demux(container.streams.audio[0])
        return [(packet.pos, packet.size) for packet in found if packet.size and packet.pos is not None]


def hours_of_silence(hours: float) -> bytes:
    """One packet of Opus again and again: 15 MB would last a day."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=48000, options={"frame_duration": "120"})
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 5760), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48000
        first = [*stream.encode(frame), *stream.encode(None)][0]
        for number in range(int(hours * 3600 / 0.12)):
            packet = av.Packet(bytes(first))
            packet.stream, packet.time_base, packet.pts, packet.dts = (
                stream,
                first.time_base,
                number * 5760,
                number * 5760,
            )
            container.mux(packet)
    return file.getvalue()


def resampled(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    return soxr.resample(samples, RATE_HZ, rate_hz)


def amr_wide(num_frames: int = 100) -> bytes:
    """AMR-WB, which nothing here can encode: frames of noise."""
    rng = np.random.default_rng(7)
    return b"#!AMR-WB\n" + b"".join(b"\x04" + rng.bytes(17) for _ in range(num_frames))


WAV_SUBTYPES = (
    *("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    *("ALAW", "ULAW", "MS_ADPCM", "IMA_ADPCM"),
)
MAKERS: dict[str, Callable[[np.ndarray], bytes]] = {
    **{
        f"wav {subtype}": lambda sound, subtype=subtype: file_of(sound, format="WAV", subtype=subtype)
        for subtype in WAV_SUBTYPES
    },
    "wav GSM610": lambda sound: file_of(resampled(sound, 8000), 8000, format="WAV", subtype="GSM610"),
    **{
        f"wavex {subtype}": lambda sound, subtype=subtype: file_of(sound, format="WAVEX", subtype=subtype)
        for subtype in ("PCM_16", "PCM_24", "FLOAT")
    },
    "wav MP3": lambda sound: av_file("wav", "libmp3lame", sound, RATE_HZ),
    "rf64": lambda sound: file_of(sound, format="RF64", subtype="PCM_16"),
    "aiff": lambda sound: file_of(sound, format="AIFF", subtype="PCM_16"),
    "aifc ULAW": lambda sound: file_of(sound, format="AIFF", subtype="ULAW"),
    "au ALAW": lambda sound: file_of(sound, format="AU", subtype="ALAW"),
    "caf ULAW": lambda sound: file_of(sound, format="CAF", subtype="ULAW"),
    "aiff 24": lambda sound: file_of(sound, format="AIFF", subtype="PCM_24"),
    "aifc": lambda sound: file_of(sound, format="AIFF", subtype="FLOAT"),
    "au": lambda sound: file_of(sound, format="AU", subtype="PCM_16"),
    "caf": lambda sound: file_of(sound, format="CAF", subtype="PCM_16"),
    "caf alac": lambda sound: file_of(sound, format="CAF", subtype="ALAC_16"),
    "flac": lambda sound: file_of(sound, format="FLAC"),
    "flac 24": lambda sound: file_of(sound, format="FLAC", subtype="PCM_24"),
    "ogg vorbis": lambda sound: file_of(sound, format="OGG", subtype="VORBIS", compression_level=0.0),
    "ogg opus": lambda sound: file_of(sound, format="OGG", subtype="OPUS"),
    "ogg opus of FFmpeg": lambda sound: av_file("ogg", "libopus", resampled(sound, 48000), 48000),
    "ogg flac": lambda sound: av_file("ogg", "flac", sound, RATE_HZ),
    "mp3": lambda sound: file_of(sound, format="MP3"),
    "mp3 of FFmpeg": lambda sound: av_file("mp3", "libmp3lame", resampled(sound, 44100), 44100),
    "aac": lambda sound: av_file("adts", "aac", resampled(sound, 44100), 44100),
    "m4a": lambda sound: av_file("ipod", "aac", sound, RATE_HZ),
    "m4a alac": lambda sound: av_file("ipod", "alac", sound, RATE_HZ),
    "mp4 with pictures": lambda sound: av_file("mp4", "aac", resampled(sound, 44100), 44100, with_pictures=True),
    "mp4 in fragments": lambda sound: av_file(
        "mp4", "aac", resampled(sound, 44100), 44100, options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    ),
    "mp4 opus": lambda sound: av_file("mp4", "libopus", resampled(sound, 48000), 48000),
    "mp4 mp3": lambda sound: av_file("mp4", "libmp3lame", resampled(sound, 44100), 44100),
    "mp4 flac": lambda sound: av_file("mp4", "flac", sound, RATE_HZ),
    "mp4 ac3": lambda sound: av_file("mp4", "ac3", resampled(sound, 48000), 48000),
    "mp4 eac3": lambda sound: av_file("mp4", "eac3", resampled(sound, 48000), 48000),
    "mov": lambda sound: av_file("mov", "pcm_s16le", sound, RATE_HZ, with_pictures=True),
    "3gp": lambda sound: av_file("3gp", "aac", sound, RATE_HZ),
    "webm": lambda sound: av_file("webm", "libopus", resampled(sound, 48000), 48000),
    "webm with pictures": lambda sound: av_file("webm", "libopus", resampled(sound, 48000), 48000, with_pictures=True),
    "webm vorbis": lambda sound: rewrapped(MAKERS["ogg vorbis"](sound), "webm"),
    "matroska mp3": lambda sound: av_file("matroska", "libmp3lame", sound, RATE_HZ, with_pictures=True),
    "matroska flac": lambda sound: av_file("matroska", "flac", sound, RATE_HZ),
    "matroska aac": lambda sound: av_file("matroska", "aac", resampled(sound, 44100), 44100),
    "matroska plain": lambda sound: av_file("matroska", "pcm_s16le", sound, RATE_HZ, with_pictures=True),
    "matroska eac3": lambda sound: av_file("matroska", "eac3", resampled(sound, 48000), 48000),
    "matroska ac3": lambda sound: av_file("matroska", "ac3", resampled(sound, 48000), 48000),
    "amr": lambda sound: av_file("amr", AMR, resampled(sound, 8000), 8000),
    "amr in 3gp": lambda sound: av_file("3gp", AMR, resampled(sound, 8000), 8000),
}  # fmt: skip
FILES = {name: cache(partial(make, chirps())) for name, make in MAKERS.items()}


def shift_s(heard: np.ndarray, expected: np.ndarray, at_s: float, length_s: float = 0.5, reach_s: float = 0.3) -> float:
    """By how much what is expected at `at_s` is heard later, within `reach_s`; NaN: it is heard nowhere there."""
    start, length, reach = (round(seconds * RATE_HZ) for seconds in (at_s, length_s, reach_s))
    pattern = expected[start : start + length]
    around = np.pad(heard, (reach, reach + length))[start : start + length + 2 * reach]
    energy = np.concatenate([[0.0], np.cumsum(around.astype(np.float64) ** 2)])
    norms = np.sqrt(energy[length:] - energy[:-length]) * np.linalg.norm(pattern) + 1e-9
    size = len(around) + length
    product = np.fft.irfft(np.fft.rfft(around, size) * np.fft.rfft(pattern, size).conj(), size)
    likeness = product[: len(norms)] / norms
    best = int(likeness.argmax())
    return (best - reach) / RATE_HZ if likeness[best] > LIKE else float("nan")
