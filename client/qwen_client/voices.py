"""Voices that the server keeps: `client.voices`."""

from qwen_client.audio import AudioInput, audio_bytes
from qwen_client.jobs import StreamJob, only_event
from qwen_client.messages import Answer, options_json
from qwen_wire.options import TtsOptions
from qwen_wire.speech import Voice, VoiceAdded, VoiceList, VoiceRemoved

MODEL = "qwen3_tts"


def add(name: str, reference: AudioInput, *, consent: str, reference_text: str = "") -> StreamJob[Voice, Voice]:
    """Store the voice of a recording under `name`, for `client.tts.synthesize(…, voice=name)`.

        client.voices.add("anna", "anna.wav", reference_text="Good morning, this is Anna.", consent="Anna, by mail")

    `consent`: who allowed the use of the voice. `reference_text`, the transcript of the recording, gives the closest
    clone. To keep a designed voice, add its speech.
    """
    options = options_json(TtsOptions, action="add_voice", voice=name, consent=consent, reference_text=reference_text)
    inputs = {"TEXT": b"", "OPTIONS": options, "REF_AUDIO": audio_bytes(reference)}
    return StreamJob(MODEL, inputs, _read_added, only_event, is_repeatable=False)


def list_voices() -> StreamJob[VoiceList, VoiceList]:
    """Who can speak here."""
    return StreamJob(
        MODEL, {"TEXT": b"", "OPTIONS": options_json(TtsOptions, action="list_voices")}, _read_list, only_event
    )


def remove(name: str) -> StreamJob[str, str]:
    """Forget a stored voice; returns its name."""
    options = options_json(TtsOptions, action="remove_voice", voice=name)
    return StreamJob(MODEL, {"TEXT": b"", "OPTIONS": options}, _read_removed, only_event, is_repeatable=False)


def _read_added(answer: Answer) -> Voice:
    return answer.message(VoiceAdded, "EVENT").added


def _read_removed(answer: Answer) -> str:
    return answer.message(VoiceRemoved, "EVENT").removed


def _read_list(answer: Answer) -> VoiceList:
    return answer.message(VoiceList, "EVENT")
