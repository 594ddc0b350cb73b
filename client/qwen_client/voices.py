"""Voices that the server keeps: `client.voices`."""

from dataclasses import dataclass

from qwen_client.audio import AudioInput, audio_bytes
from qwen_client.jobs import StreamJob, only_event
from qwen_client.wire import Answer, options_json

MODEL = "qwen3_tts"


@dataclass(frozen=True)
class Voice:
    """A stored voice; `reference_text` empty: it is imitated, else it continues its reference."""

    name: str
    consent: str
    reference_text: str
    reference_s: float
    created: str


@dataclass(frozen=True)
class VoiceList:
    """Names of the checkpoint's own speakers, and the stored voices."""

    speakers: tuple[str, ...]
    voices: tuple[Voice, ...]


def add(name: str, reference: AudioInput, *, consent: str, reference_text: str = "") -> StreamJob[Voice, Voice]:
    """Keep the voice of a recording under `name`, for `client.tts.synthesize(…, voice=name)`.

        client.voices.add("anna", "anna.wav", reference_text="Good morning, this is Anna.", consent="Anna, by mail")

    `consent`: who allowed the use of the voice. With `reference_text`, what the recording says, it is followed most
    closely. To keep a designed voice, add the speech it made.
    """
    options = options_json(action="add_voice", voice=name, consent=consent, reference_text=reference_text)
    inputs = {"TEXT": b"", "OPTIONS": options, "REF_AUDIO": audio_bytes(reference)}
    return StreamJob(MODEL, inputs, _read_added, only_event)


def list_voices() -> StreamJob[VoiceList, VoiceList]:
    """Who can speak here."""
    return StreamJob(MODEL, {"TEXT": b"", "OPTIONS": options_json(action="list_voices")}, _read_list, only_event)


def remove(name: str) -> StreamJob[str, str]:
    """Forget a stored voice; returns its name."""
    options = options_json(action="remove_voice", voice=name)
    return StreamJob(MODEL, {"TEXT": b"", "OPTIONS": options}, _read_removed, only_event)


def _read_added(answer: Answer) -> Voice:
    return Voice(**answer.json("EVENT")["added"])


def _read_removed(answer: Answer) -> str:
    name: str = answer.json("EVENT")["removed"]
    return name


def _read_list(answer: Answer) -> VoiceList:
    event = answer.json("EVENT")
    return VoiceList(tuple(event["speakers"]), tuple(Voice(**voice) for voice in event["voices"]))
