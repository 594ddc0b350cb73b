"""Arrays of sound of any layout and number type: the server hears the same, or the caller is told what is wrong."""

import re
from typing import Any

import numpy as np
import pytest
from fake_triton import FakeTriton

from qwen_client import Client, InvalidRequest
from qwen_client.audio import audio_bytes
from qwen_client.pcm import pcm16
from qwen_media.sound import Wanted, decode_sound

RATE_HZ = 16_000


def tone(num_samples: int = 4000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(num_samples) / RATE_HZ)


def heard(samples: np.ndarray, rate_hz: Any = RATE_HZ) -> np.ndarray:
    """What the server hears of an array, float32 [n]."""
    return decode_sound(audio_bytes((samples, rate_hz)), Wanted(RATE_HZ, 10.0)).samples


def of_type(dtype: str) -> np.ndarray:
    """The tone in the numbers of a type."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return tone().astype(kind)
    values = tone() * (np.iinfo(kind).max if kind.kind == "i" else 127)
    return (np.rint(values) + (128 if kind.kind == "u" else 0)).astype(kind)


TYPES = ["f2", "f4", "f8", "i1", "u1", "i2", "i4"]
TYPES += [f"{order}{kind}" for kind in TYPES[:3] + TYPES[5:] for order in "<>"]


@pytest.mark.parametrize("dtype", TYPES)
def test_numbers_of_any_type_mean_the_same_sound(dtype: str) -> None:
    samples = of_type(dtype)
    np.testing.assert_allclose(heard(samples), tone(), atol=0.01)
    np.testing.assert_allclose(np.frombuffer(pcm16(samples, 1), "<i2") / 32_768, tone(), atol=0.01)


@pytest.mark.parametrize("shape", [(4000,), (4000, 1), (1, 4000)])
def test_one_channel_in_any_shape(shape: tuple[int, ...]) -> None:
    samples = tone().astype(np.float32).reshape(shape)
    np.testing.assert_array_equal(heard(samples), tone().astype(np.float32))
    assert pcm16(samples, 1) == pcm16(tone(), 1)


@pytest.mark.parametrize("samples", [tone()[::2], tone()[::-1], np.asfortranarray(np.stack([tone(), tone()], 1))])
def test_memory_in_any_order(samples: np.ndarray) -> None:
    mono = samples if samples.ndim == 1 else samples[:, 0]
    np.testing.assert_array_equal(heard(samples), mono.astype(np.float32))


def test_several_channels_are_averaged() -> None:
    samples = np.stack([tone(), 0.5 * tone()], 1)
    np.testing.assert_allclose(heard(samples), 0.75 * tone(), atol=1e-6)
    assert len(pcm16(samples, 2)) == 4000 * 2 * 2


TURNED = r"shape \[2, 4000\]; allowed: \[samples.*looks like \[channels, samples\]: give audio\.T"
SHAPES = {
    "two channels, turned": (np.zeros((2, 4000)), 2, TURNED),
    "no dimension": (np.array(0.5), 1, r"shape \[\]; allowed: \[samples\]"),
    "three dimensions": (np.zeros((1, 2, 4000)), 2, r"shape \[1, 2, 4000\]; allowed: \[samples"),
    "more channels than any": (np.zeros((4000, 65)), 65, r"shape \[4000, 65\]; allowed: .*up to 64 channels"),
    "no channel": (np.zeros((4000, 0)), 1, r"shape \[4000, 0\]; allowed: \[samples"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_shapes_that_cannot_be_told_are_refused(case: str, client: Client, triton: FakeTriton) -> None:
    samples, _, message = SHAPES[case]
    for ask in (client.asr.transcribe, lambda audio: client.asr.align(audio, "hello")):
        with pytest.raises(InvalidRequest, match=message):
            ask((samples, RATE_HZ))
    with pytest.raises(InvalidRequest, match=message):
        client.tts.synthesize("Hello.", reference=(samples, RATE_HZ))
    assert triton.received == []


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        ((2, 4000), 2, TURNED),
        ((4000,), 2, r"shape \[4000\]; allowed: \[samples, 2\]"),
        ((4000, 3), 2, r"shape \[4000, 3\]; allowed: \[samples, 2\]"),
        ((4000, 2), 1, r"shape \[4000, 2\]; allowed: \[samples\], \[samples, 1\] or \[1, samples\]"),
        ((1, 4000), 2, r"shape \[1, 4000\]; allowed: \[samples, 2\]"),
    ],
)
def test_live_sound_has_the_channels_it_was_opened_with(shape: tuple[int, ...], channels: int, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        pcm16(np.zeros(shape, np.float32), channels)


def test_one_frame_of_two_channels() -> None:
    assert pcm16(np.array([[1, 2]], np.int16), 2) == b"\1\0\2\0"


NUMBERS = {
    "NaN": (np.array([0.0, np.nan]), "has NaN or infinite samples"),
    "infinite": (np.array([0.0, -np.inf], np.float32), "has NaN or infinite samples"),
    "half, infinite": (np.array([0.0, np.inf], np.float16), "has NaN or infinite samples"),
    "16-bit values as floats": (
        tone() * 32_768,
        "float64 with a sample of 16384, but full scale of floats is 1.0: divide",
    ),
    "beyond reason": (tone() * -1e30, "with a sample of 5e[+]29, but full scale"),
    "64 bits": (np.zeros(8, np.int64), "audio is int64, of which nobody knows the full scale; allowed: float16"),
    "16 bits without sign": (np.zeros(8, np.uint16), "audio is uint16, of which nobody knows"),
    "truth": (np.zeros(8, bool), "audio is bool, of which nobody knows"),
    "complex": (np.zeros(8, complex), "audio is complex128, of which nobody knows"),
    "text": (np.array(["a"]), "audio is <U1, of which nobody knows"),
    "objects": (np.array([None]), "audio is object, of which nobody knows"),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_that_are_no_sound_are_refused(case: str, client: Client, triton: FakeTriton) -> None:
    samples, message = NUMBERS[case]
    for ask in (
        lambda: client.asr.transcribe((samples, RATE_HZ)),
        lambda: client.tts.synthesize("Hello.", reference=(samples, RATE_HZ)),
        lambda: client.voices.add("anna", (samples, RATE_HZ), consent="Anna"),
        lambda: list(client.asr.stream().iterate([samples])),
    ):
        with pytest.raises(InvalidRequest, match=message):
            ask()
    assert triton.received == []


def test_floats_may_go_beyond_full_scale() -> None:
    np.testing.assert_allclose(heard(tone() * 30), 30 * tone(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rate_hz", [0, -16_000, 1, 3_999, 384_001, 10**12, 16_000.5, float("nan"), float("inf"), True])
def test_rates_that_no_sound_has_are_refused(rate_hz: Any, client: Client, triton: FakeTriton) -> None:
    message = re.escape(f"is {rate_hz}: give a whole number from 4000 to 384000")
    with pytest.raises(InvalidRequest, match=f"the rate of audio {message}"):
        client.asr.transcribe((tone(), rate_hz))
    with pytest.raises(InvalidRequest, match=f"sample_rate {message}"):
        client.asr.stream(sample_rate=rate_hz)
    assert triton.received == []


@pytest.mark.parametrize("rate_hz", [8_000, np.int64(8_000), 8_000.0, np.float32(8_000)])
def test_rates_of_any_number_type(rate_hz: Any) -> None:
    assert len(heard(tone(), rate_hz)) == 8_000


def test_rate_and_samples_in_the_other_order(client: Client) -> None:
    with pytest.raises(InvalidRequest, match=r"give \(array, rate_hz\), in this order"):
        client.asr.transcribe((RATE_HZ, tone()))  # type: ignore[arg-type]


def test_channels_that_nobody_has_are_refused(client: Client) -> None:
    for channels in (0, -1, 65):
        with pytest.raises(InvalidRequest, match=f"channels is {channels}: give 1 to 64"):
            client.asr.stream(channels=channels)
