"""Samples that are no sound, at every door of the engine: files, raw samples, live chunks, references."""

import io
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import soundfile

from qwen_engine.asr.captions.sound import ChunkReader
from qwen_engine.asr.recording import decode_recording
from qwen_engine.files import sound_decoders
from qwen_engine.samples import check_samples
from qwen_engine.tts.reference import decode_reference
from qwen_engine.tts.settings import TtsSettings
from qwen_media.decoders import Decoders
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import AsrOptions, CaptionOptions, TtsOptions

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with sound_decoders(TtsSettings(checkpoint="")) as made:
        yield made


def tone(num_channels: int = 1) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    return np.repeat(wave[:, None], num_channels, axis=1).astype(np.float32)


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV", subtype="FLOAT")
    return file.getvalue()


def from_file(samples: np.ndarray, decoders: Decoders) -> np.ndarray:
    return decode_recording(wav(samples), AsrOptions(), decoders, max_s=10.0).samples


def from_raw_samples(samples: np.ndarray, decoders: Decoders) -> np.ndarray:
    form = AsrOptions(audio_format="pcm_f32le", sample_rate_hz=RATE_HZ, num_channels=samples.shape[1])
    return decode_recording(samples.astype("<f4").tobytes(), form, decoders, max_s=10.0).samples


def from_chunk(samples: np.ndarray, _: Decoders) -> np.ndarray:
    form = CaptionOptions(audio_format="pcm_f32le", num_channels=samples.shape[1])
    return ChunkReader(form).read(samples.astype("<f4").tobytes(), last=True, max_s=10.0)


def from_reference(samples: np.ndarray, decoders: Decoders) -> np.ndarray:
    return decode_reference(wav(samples), TtsOptions(), TtsSettings(checkpoint=""), decoders).samples


Door = Callable[[np.ndarray, Decoders], np.ndarray]
DOORS: dict[str, Door] = {
    "AUDIO file": from_file,
    "AUDIO samples": from_raw_samples,
    "AUDIO chunk": from_chunk,
    "REF_AUDIO file": from_reference,
}


@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("door", DOORS)
def test_one_sample_that_is_no_number_is_refused(
    door: str, value: float, num_channels: int, decoders: Decoders
) -> None:
    samples = tone(num_channels)
    samples[-1, -1] = value
    with pytest.raises(InvalidRequest, match=f"{door.split()[0]} has NaN or infinite samples"):
        DOORS[door](samples, decoders)


@pytest.mark.parametrize("gain", [32_768.0, 1e18, 6e38])
@pytest.mark.parametrize("door", DOORS)
def test_another_scale_is_refused(door: str, gain: float, decoders: Decoders) -> None:
    message = rf"{door.split()[0]} has a sample of \S+, but full scale is 1, and the limit 100; divide 16-bit values by"
    for num_channels in (1, 2):
        with pytest.raises(InvalidRequest, match=message):
            DOORS[door]((tone(num_channels).astype(np.float64) * gain).astype(np.float32), decoders)


@pytest.mark.parametrize("door", DOORS)
def test_floats_beyond_full_scale_are_taken(door: str, decoders: Decoders) -> None:
    heard = DOORS[door](30 * tone(), decoders)
    assert np.abs(heard).max() == pytest.approx(15, rel=0.02)


def test_the_limit_itself() -> None:
    check_samples(np.array([100.0, -100.0], np.float32))
    check_samples(np.zeros(0, np.float32))
    with pytest.raises(InvalidRequest, match=r"^REF_AUDIO has a sample of 100\.001"):
        check_samples(np.array([0.0, -100.001]), "REF_AUDIO")
