"""Voices through Triton: cloned from a recording, kept by name, described by an instruction; and what is refused."""

import io

import numpy as np
import pytest
import soundfile

from qwen_client import InvalidRequest

TEXT = "Send the report to Anna on Friday."
CONSENT = "made by espeak-ng"


@pytest.fixture
def recording(audio):
    return audio / "message.wav", (audio / "message.txt").read_text().strip()


@pytest.fixture
def greta(client, recording):
    """A stored voice, removed afterwards."""
    yield client.voices.add("greta", recording[0], consent="made by espeak-ng")
    if any(voice.name == "greta" for voice in client.voices.list().voices):
        client.voices.remove("greta")


def test_a_stored_voice_sounds_like_its_reference_sent_along(client, recording, greta):
    assert (greta.name, greta.consent, greta.in_context) == ("greta", "made by espeak-ng", False)
    assert greta.reference_s == pytest.approx(soundfile.info(recording[0]).duration, abs=0.01)
    by_name = client.tts.synthesize(TEXT, voice="greta").samples
    by_reference = client.tts.synthesize(TEXT, reference=recording[0], consent=CONSENT).samples
    np.testing.assert_allclose(by_name, by_reference, atol=1.5 / 32768)


def test_a_voice_is_listed_until_it_is_removed(client, greta):
    known = client.voices.list()
    assert set(known.speakers) >= {"ava", "ben", "clara", "dan"}
    assert greta in known.voices
    assert client.voices.remove("greta") == "greta"
    assert greta not in client.voices.list().voices
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.voice is 'greta'; allowed: ava"):
        client.tts.synthesize(TEXT, voice="greta")


def test_a_reference_with_its_text_is_continued(client, recording):
    file, text = recording
    continued = client.tts.synthesize(TEXT, reference=file, reference_text=text, consent=CONSENT)
    imitated = client.tts.synthesize(TEXT, reference=file, consent=CONSENT)
    assert continued.duration_s > 0
    assert len(continued.samples) != len(imitated.samples) or np.abs(continued.samples - imitated.samples).max() > 0.01


def test_a_voice_can_be_described(client):
    high = client.tts.synthesize(TEXT, instruction="A high voice, speaking fast.")
    low = client.tts.synthesize(TEXT, instruction="A deep voice, speaking slowly.")
    assert low.duration_s > high.duration_s


def test_a_designed_voice_can_be_kept(client):
    designed = client.tts.synthesize("Good morning everyone.", instruction="A high voice, speaking fast.")
    reference = (designed.samples, designed.sample_rate)
    client.voices.add("designed", reference, consent="no person", reference_text="Good morning everyone.")
    try:
        assert client.tts.synthesize(TEXT, voice="designed").duration_s > 0
    finally:
        client.voices.remove("designed")


def encoded(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 24_000, format="WAV")
    return file.getvalue()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (b"no audio", "REF_AUDIO cannot be read as audio"),
        (encoded(np.zeros(48_000)), "REF_AUDIO is silent"),
        (encoded(np.ones(2_400) * 0.1), "REF_AUDIO is shorter than 0.5 s"),
        (encoded(np.sin(np.arange(24_000 * 40) / 10) * 0.1), "REF_AUDIO is longer than the limit of 30 s"),
    ],
    ids=["no audio", "silence", "short", "long"],
)
def test_references_that_are_refused(client, reference, message):
    with pytest.raises(InvalidRequest, match=message):
        client.tts.synthesize(TEXT, reference=reference, consent=CONSENT)
    with pytest.raises(InvalidRequest, match=message):
        client.voices.add("refused", reference, consent="yes")


def test_voices_that_are_refused(client, recording, greta):
    file, _ = recording
    with pytest.raises(InvalidRequest, match="'greta', which is taken"):
        client.voices.add("greta", file, consent="yes")
    with pytest.raises(InvalidRequest, match="'ava', which is taken"):
        client.voices.add("ava", file, consent="yes")
    with pytest.raises(InvalidRequest, match="use up to 64 of a-z"):
        client.voices.add("../greta", file, consent="yes")
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.consent is empty"):
        client.voices.add("other", file, consent=" ")
    with pytest.raises(
        InvalidRequest, match=r"OPTIONS\.consent is empty; note who allowed the use of the voice in REF"
    ):
        client.tts.synthesize(TEXT, reference=file, consent=" ")
    with pytest.raises(InvalidRequest, match="no such stored voice"):
        client.voices.remove("nobody")
    with pytest.raises(InvalidRequest, match="the voice is one or the other"):
        client.tts.synthesize(TEXT, voice="ava", reference=file)
    with pytest.raises(InvalidRequest, match="does not follow instructions"):
        client.tts.synthesize(TEXT, voice="ava", instruction="whispering")
    with pytest.raises(InvalidRequest, match="nothing to pronounce"):
        client.tts.synthesize("?!")
