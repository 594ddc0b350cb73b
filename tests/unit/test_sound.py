"""Any audio file becomes mono float32 at the wished rate, or a clear refusal."""

import io
import re
import tracemalloc

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_media.errors import BadMedia
from qwen_media.sound import RawForm, Wanted, decode_sound
from tests.sounds import MAKERS, chirps, hours_of_silence

RATE_HZ = 16000


def tone(duration_s: float = 0.5, rate_hz: int = RATE_HZ, channels: int = 1) -> np.ndarray:
    time_s = np.arange(int(duration_s * rate_hz)) / rate_hz
    return np.repeat(0.5 * np.sin(2 * np.pi * 440 * time_s)[:, None], channels, axis=1).astype(np.float32)


def encoded(samples: np.ndarray, rate_hz: int = RATE_HZ, **form: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **form)
    return file.getvalue()


def av_encoded(container_format: str, codec: str, rate_hz: int, samples: np.ndarray) -> bytes:
    """(samples, channels) in one of the formats that libsndfile does not read."""
    file = io.BytesIO()
    layout = "stereo" if samples.shape[1] == 2 else "mono"
    with av.open(file, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.layout = layout
        packed = (samples.reshape(1, -1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def m4a(samples: np.ndarray) -> bytes:
    return av_encoded("ipod", "aac", RATE_HZ, samples)


def decode(data: bytes, max_s: float = 10.0) -> np.ndarray:
    return decode_sound(data, Wanted(RATE_HZ, max_s)).samples


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


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("container_format", "codec", "rate_hz"),
    [("ipod", "aac", 16000), ("mp4", "aac", 44100), ("adts", "aac", 44100), ("webm", "libopus", 48000),
     ("ogg", "libopus", 48000)],
)  # fmt: skip
def test_formats_of_phones_and_browsers(container_format, codec, rate_hz, channels):
    samples = decode(av_encoded(container_format, codec, rate_hz, tone(rate_hz=rate_hz, channels=channels)))
    assert peak_hz(samples) == pytest.approx(440, abs=2)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.1)
    assert len(samples) / RATE_HZ == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("make", [lambda x: encoded(x, format="WAV"), lambda x: m4a(x)])
def test_channels_are_averaged_and_one_silent_channel_halves_the_level(make):
    stereo = tone(channels=2)
    stereo[:, 1] = 0
    assert np.abs(decode(make(stereo))).max() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("make", [lambda x: encoded(x, format="WAV"), lambda x: m4a(x)])
@pytest.mark.parametrize("right_gain", [-1.0, -0.8])
def test_a_channel_upside_down_does_not_cancel_the_other(make, right_gain):
    stereo = tone(channels=2)
    stereo[:, 1] *= right_gain
    samples = decode(make(stereo))
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.05)
    assert peak_hz(samples) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("audio_format", "sample_type", "full_scale"), [("pcm_s16le", "<i2", 32768), ("pcm_f32le", "<f4", 1)]
)
@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 1), (16000, 1), (44100, 2)])
def test_raw_samples_of_a_stated_form(audio_format, sample_type, full_scale, rate_hz, channels):
    data = (tone(rate_hz=rate_hz, channels=channels) * full_scale).astype(sample_type).tobytes()
    samples = decode_raw(data, audio_format, rate_hz, channels)
    assert abs(len(samples) - RATE_HZ // 2) <= 1
    assert peak_hz(samples) == pytest.approx(440, abs=2)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.03)


def decode_raw(data: bytes, audio_format: str = "pcm_s16le", rate_hz: int = RATE_HZ, channels: int = 1) -> np.ndarray:
    return decode_sound(data, Wanted(RATE_HZ, 1.0, RawForm(audio_format, rate_hz, channels))).samples


@pytest.mark.parametrize(
    ("data", "channels", "message"),
    [
        (b"", 1, "has no samples"),
        (b"\0" * 7, 1, r"has 7 bytes, not a whole number of frames of 2 bytes"),
        (b"\0" * 6, 2, r"frames of 4 bytes \(pcm_s16le, 2 channels\)"),
        (b"\0" * 64000, 1, "limit of 1 s"),
    ],
)
def test_raw_samples_that_do_not_fit_their_form_are_refused(data, channels, message):
    with pytest.raises(BadMedia, match=message):
        decode_raw(data, channels=channels)


def test_raw_samples_that_are_no_numbers_are_refused():
    with pytest.raises(BadMedia, match="NaN or infinite"):
        decode_raw(np.array([0, np.nan], "<f4").tobytes(), "pcm_f32le")


NOT_FINITE = [np.nan, np.inf, -np.inf]


def test_a_wav_of_an_unknown_codec_is_refused():
    data = bytearray(encoded(tone(), format="WAV"))
    data[20:22] = b"\x99\x7a"  # the format tag
    with pytest.raises(BadMedia, match=r"codec that is not read here \(0x7A99\)"):
        decode(bytes(data))


@pytest.mark.parametrize("value", NOT_FINITE)
def test_samples_that_are_no_numbers_are_refused(value):
    samples = tone()
    samples[100] = value
    with pytest.raises(BadMedia, match="NaN or infinite"):
        decode(encoded(samples, format="WAV", subtype="FLOAT"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"This is text where audio is due. " * 50, "cannot be read as audio"),
        (bytes(range(256)) * 40, "cannot be read as audio"),
        (encoded(tone(), format="WAV")[:30], "damaged WAV header"),
        (encoded(tone(), format="WAV")[:40], "WAV file without samples"),
        (encoded(tone(0.0), format="WAV"), "no samples"),
    ],
)
def test_what_is_no_audio_is_refused(data, message):
    with pytest.raises(BadMedia, match=message):
        decode(data)


@pytest.mark.parametrize("make", [lambda x: encoded(x, format="FLAC"), lambda x: encoded(x, format="MP3"), m4a])
def test_the_limit_holds_while_decoding(make):
    with pytest.raises(BadMedia, match=r"limit of 1 s"):
        decode(make(tone(3.0)), max_s=1.0)


def test_a_small_file_of_many_hours_costs_no_more_than_the_limit_allows():
    data = hours_of_silence(2)
    assert len(data) < 2e6
    tracemalloc.start()
    with pytest.raises(BadMedia, match=r"limit of 60 s"):
        decode(data, max_s=60.0)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 3 * 60 * RATE_HZ * 4


SHORT_FILES = [make(chirps(0.3)) for make in MAKERS.values()]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file with bytes changed, mostly near its beginning, and perhaps cut or with something put in."""
    data = bytearray(draw(st.sampled_from(SHORT_FILES)))
    reach = draw(st.sampled_from([64, 400, len(data)]))
    changes = st.tuples(st.integers(0, min(reach, len(data)) - 1), st.integers(0, 255))
    for position, value in draw(st.lists(changes, max_size=24)):
        data[position] = value
    at = draw(st.integers(0, len(data)))
    cut, inserted = draw(st.integers(0, 40)), draw(st.binary(max_size=40))
    return bytes(data[:at] + inserted + data[at + cut :])


@given(st.one_of(st.binary(max_size=2000), damaged()))
@settings(max_examples=400)
def test_any_bytes_give_samples_or_a_clear_refusal(data):
    try:
        samples = decode(data, max_s=2.0)
    except BadMedia as refusal:
        assert re.match("(is|has|cannot) ", str(refusal))  # noqa: PT017
    else:
        assert samples.dtype == np.float32
        assert 0 < len(samples) <= 2.0 * RATE_HZ + 2


@given(
    st.binary(max_size=400), st.sampled_from(["pcm_s16le", "pcm_f32le"]), st.integers(4000, 384000), st.integers(1, 8)
)
@settings(max_examples=100)
def test_any_bytes_as_raw_samples_too(data, audio_format, rate_hz, channels):
    try:
        samples = decode_raw(data, audio_format, rate_hz, channels)
    except BadMedia as refusal:
        assert re.match("(is|has|cannot) ", str(refusal))  # noqa: PT017
    else:
        assert samples.dtype == np.float32
