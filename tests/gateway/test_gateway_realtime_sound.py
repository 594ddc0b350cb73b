"""Sound of the Realtime API: G.711 against FFmpeg's, and who speaks when."""

import av
import numpy as np
import pytest

from qwen_gateway.realtime import g711
from qwen_gateway.realtime.audio_formats import SpeechEncoder, decoded_pcm
from qwen_gateway.realtime.vad import VoiceChange, VoiceDetector

RATE_HZ = 24_000
CODECS = {"pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}


def ffmpeg_decoded(data: bytes, law: str) -> np.ndarray:
    context = av.CodecContext.create(CODECS[law], "r")
    context.sample_rate, context.layout = 8000, "mono"
    return np.concatenate([frame.to_ndarray()[0] for frame in context.decode(av.Packet(data))])


@pytest.mark.parametrize("law", CODECS)
def test_g711(law: g711.Law) -> None:
    codes = bytes(range(256))
    samples = g711.decode(codes, law)
    assert np.array_equal(samples, ffmpeg_decoded(codes, law))
    assert np.array_equal(g711.decode(g711.encode(samples, law), law), samples)
    every = np.arange(-32_768, 32_768).astype(np.int16)
    back = g711.decode(g711.encode(every, law), law).astype(int)
    nearest = np.abs(every.astype(int)[:, None] - np.unique(samples.astype(int))[None]).min(axis=1)
    steps = np.maximum(np.abs(every.astype(int)) / 16, 16)  # a step is a sixteenth of its segment
    assert np.all(np.abs(back - every) <= nearest + steps)


def test_a_sample_that_is_cut_in_two_is_left_out() -> None:
    assert decoded_pcm(b"\1\2\3", "audio/pcm") == b"\1\2"


@pytest.mark.parametrize(("name", "num_bytes"), [("audio/pcm", 48_000), ("audio/pcmu", 8000), ("audio/pcma", 8000)])
def test_speech_is_encoded_piece_by_piece(name: str, num_bytes: int) -> None:
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)
    encoder = SpeechEncoder(name, RATE_HZ)  # type: ignore[arg-type]
    data = b"".join(encoder.encode(piece) for piece in np.split(tone, 10)) + encoder.finish()
    assert abs(len(data) - num_bytes) <= 32
    assert abs(encoder.encoded_ms - 1000) < 5
    heard = np.frombuffer(decoded_pcm(data, name), "<i2") / 32_768  # type: ignore[arg-type]
    spectrum = np.abs(np.fft.rfft(heard))
    assert abs(spectrum.argmax() * len(tone) / RATE_HZ - 440) < 5


def sound(*parts: tuple[float, float], floor: float = 0.0) -> bytes:
    """Noise of (seconds, level), over noise of the level `floor`."""
    rng = np.random.default_rng(1)
    levels = np.repeat([level for _, level in parts], [round(duration_s * RATE_HZ) for duration_s, _ in parts])
    samples = rng.normal(0, 1, len(levels)) * levels + rng.normal(0, floor or 1e-9, len(levels))
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def changes(pcm: bytes, num_bytes: int = 960, **options: float) -> list[tuple[str, float]]:
    detector = VoiceDetector(RATE_HZ, **{"threshold": 0.5, "silence_ms": 500, **options})  # type: ignore[arg-type]
    found: list[VoiceChange] = []
    for at in range(0, len(pcm), num_bytes):
        found += detector.feed(pcm[at : at + num_bytes])
    return [(change.kind, change.sample / RATE_HZ) for change in found]


TURN = sound((0.5, 0), (1.0, 0.1), (1.0, 0))


@pytest.mark.parametrize("num_bytes", [2, 100, 960, 7777 * 2, 10**6])
def test_a_turn_is_found_however_it_is_cut(num_bytes: int) -> None:
    assert changes(TURN, num_bytes) == [("started", 0.5), ("stopped", 2.0)]


def test_pauses_within_a_turn() -> None:
    pcm = sound((0.5, 0), (0.4, 0.1), (0.3, 0), (0.4, 0.1), (1.0, 0))
    assert changes(pcm) == [("started", 0.5), ("stopped", pytest.approx(2.1))]
    assert [kind for kind, _ in changes(pcm, silence_ms=200)] == ["started", "stopped"] * 2


def test_a_click_is_no_speech() -> None:
    assert changes(sound((0.5, 0), (0.03, 0.5), (1.0, 0))) == []


def test_speech_over_noise() -> None:
    pcm = sound((4.0, 0), (1.0, 0.15), (1.0, 0), floor=0.01)
    speech = [one for one in changes(pcm) if one[1] > 3.5]
    assert speech == [("started", pytest.approx(4.0, abs=0.05)), ("stopped", pytest.approx(5.5, abs=0.05))]


def test_noise_becomes_the_floor() -> None:
    """A fan that is switched on is taken for speech at most for as long as the floor looks back."""
    found = changes(sound((0.5, 0), (6.0, 0.02)))
    assert found[0][0] == "started"
    assert found[-1][0] == "stopped"
    assert found[-1][1] < 4.5


def test_the_threshold() -> None:
    quiet = sound((0.5, 0), (1.0, 0.003), (1.0, 0))  # 10 dB above the lowest floor
    assert changes(quiet, threshold=0.1) != []
    assert changes(quiet, threshold=0.9) == []
