"""Voices and consents of OpenAI's API, by its own client, in front of the scripted server."""

import json
from collections.abc import Iterator

import pytest
from client_scripts import ENDING, event
from fake_triton import FakeTriton, Payloads
from openai import BadRequestError, OpenAI

from tests.gateway_thread import GatewayThread

SOUND = ("a.wav", b"RIFF and so on")


def voices(inputs: Payloads) -> Iterator[Payloads]:
    options = json.loads(inputs["OPTIONS"])
    name = options["voice"]
    added = {"name": name, "consent": options.get("consent"), "reference_s": 2.0, "created": "", "in_context": False}
    told = {"removed": name} if options["action"] == "remove_voice" else {"added": added}
    yield {"AUDIO": b"", "EVENT": event(0, "voice", **told)}
    yield {"AUDIO": b"", "EVENT": event(1, "end", **ENDING)}


@pytest.fixture(autouse=True)
def _voices(triton: FakeTriton) -> None:
    triton.scripts["qwen3_tts"] = voices


def test_a_voice_is_added_with_a_consent_and_removed(openai: OpenAI, triton: FakeTriton) -> None:
    consent = openai.audio.voice_consents.create(name="Anna", language="en-US", recording=SOUND)
    assert (consent.name, consent.language, consent.object) == ("Anna", "en-US", "audio.voice_consent")
    assert openai.audio.voice_consents.retrieve(consent.id) == consent
    voice = openai.audio.voices.create(name="anna", audio_sample=SOUND, consent=consent.id)
    assert (voice.id, voice.name, voice.type) == ("anna", "anna", "audio_sample")
    [request] = triton.received
    assert request.inputs["REF_AUDIO"] == SOUND[1]
    assert json.loads(request.inputs["OPTIONS"])["consent"].startswith("Anna (en-US), recording ")
    assert openai.audio.voices.delete("anna").deleted


def test_consents_are_those_of_gateways_with_the_same_key(openai: OpenAI, triton: FakeTriton) -> None:
    for key, is_known in (("same", True), ("other", False)):
        with (
            GatewayThread(triton=(triton.address,), secret_key="same") as one,
            GatewayThread(triton=(triton.address,), secret_key=key) as other,
            OpenAI(base_url=f"{one.url}/v1", api_key="none") as here,
            OpenAI(base_url=f"{other.url}/v1", api_key="none", max_retries=0) as there,
        ):
            consent = here.audio.voice_consents.create(name="Anna", language="en", recording=SOUND)
            if is_known:
                there.audio.voices.create(name="anna", audio_sample=SOUND, consent=consent.id)
                continue
            with pytest.raises(BadRequestError) as caught:
                there.audio.voices.create(name="anna", audio_sample=SOUND, consent=consent.id)
            assert (caught.value.param, caught.value.code) == ("consent", "invalid_consent")


@pytest.mark.parametrize("consent", ["cons_1234", "x", "ek_" + "A" * 80, "cons_" + "A" * 5000, "ü"])
def test_a_consent_that_is_none(consent: str, openai: OpenAI, triton: FakeTriton) -> None:
    with pytest.raises(Exception, match="consent"):
        openai.audio.voices.create(name="anna", audio_sample=SOUND, consent=consent)
    assert not triton.received
