"""Any audio file becomes mono float32 at the wished rate, or a clear refusal."""

import io
import struct

import av
import numpy as np
import pytest
import soundfile

from qwen_engine.audio import decode_audio, is_silent, pcm16
from qwen_engine.errors import InvalidRequest

RATE_HZ = 16000


def tone(duration_s: float = 0.5, rate_hz: int = RATE_HZ, channels: int = 1) -> np.ndarray:
    time_s = np.arange(int(duration_s * rate_hz)) / rate_hz
    return np.repeat(0.5 * np.sin(2 * np.pi * 440 * time_s)[:, None], channels, axis=1).astype(np.float32)


def encoded(samples: np.ndarray, rate_hz: int = RATE_HZ, **form: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **form)
    return file.getvalue()


def m4a(samples: np.ndarray, rate_hz: int = RATE_HZ) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=rate_hz)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray((samples.T * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def decode(data: bytes, max_s: float = 10.0) -> np.ndarray:
    return decode_audio(data, sample_rate_hz=RATE_HZ, max_s=max_s)


def peak_hz(samples: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * RATE_HZ / len(samples))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_of_any_width_rate_and_channels(subtype, rate_hz, channels):
    samples = decode(encoded(tone(rate_hz=rate_hz, channels=channels), rate_hz, format="WAV", subtype=subtype))
    assert samples.dtype == np.float32
    assert abs(len(samples) - RATE_HZ // 2) <= 1
    assert peak_hz(samples) == pytest.approx(440, abs=2)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("form", ["FLAC", "OGG", "MP3"])
def test_compressed_formats(form):
    assert peak_hz(decode(encoded(tone(), format=form))) == pytest.approx(440, abs=2)


def test_m4a():
    assert peak_hz(decode(m4a(tone()))) == pytest.approx(440, abs=2)


def test_a_wav_written_to_a_pipe_is_read_to_its_end():
    data = bytearray(encoded(tone(), format="WAV"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0x7FFFF000)
    assert len(decode(bytes(data))) == RATE_HZ // 2


NOT_FINITE = [np.nan, np.inf, -np.inf]


def test_a_wav_of_an_unknown_codec_is_refused():
    data = bytearray(encoded(tone(), format="WAV"))
    data[20:22] = b"\x99\x7a"  # the format tag
    with pytest.raises(InvalidRequest, match="format that nothing here can decode"):
        decode(bytes(data))


@pytest.mark.parametrize("value", NOT_FINITE)
def test_samples_that_are_no_numbers_are_refused(value):
    samples = tone()
    samples[100] = value
    with pytest.raises(InvalidRequest, match="NaN or infinite"):
        decode(encoded(samples, format="WAV", subtype="FLOAT"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"This is text where audio is due. " * 50, "cannot be read as audio"),
        (bytes(range(256)) * 40, "cannot be read as audio"),
        (encoded(tone(), format="WAV")[:4000], "truncated"),
        (encoded(tone(), format="WAV")[:30], "truncated"),
        (encoded(tone(0.0), format="WAV"), "no samples"),
    ],
)
def test_what_is_no_audio_is_refused(data, message):
    with pytest.raises(InvalidRequest, match=message):
        decode(data)


@pytest.mark.parametrize("make", [lambda x: encoded(x, format="FLAC"), lambda x: encoded(x, format="MP3"), m4a])
def test_the_limit_holds_while_decoding(make):
    with pytest.raises(InvalidRequest, match=r"limit of 1 s"):
        decode(make(tone(3.0)), max_s=1.0)


def test_pcm16_clips():
    assert np.frombuffer(pcm16(np.array([0.0, 1.0, -1.0, 2.0, -2.0])), "<i2").tolist() == [
        0,
        32767,
        -32768,
        32767,
        -32768,
    ]


def test_silence_is_told_from_speech():
    noise = np.random.default_rng(0).normal(0, 1e-4, RATE_HZ).astype(np.float32)
    assert is_silent(np.zeros(RATE_HZ, np.float32), sample_rate_hz=RATE_HZ)
    assert is_silent(noise + 0.2, sample_rate_hz=RATE_HZ)  # a constant offset is no sound
    short = noise.copy()
    short[8000:8500] += tone()[:500, 0]
    assert not is_silent(short, sample_rate_hz=RATE_HZ)
