"""Speech in, speech out: `client.chains.voice_chat`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from qwen_client.audio import AudioInput, AudioResult, Samples, audio_bytes
from qwen_client.chains.events import announcing, read_stage
from qwen_client.chains.results import chain_failed
from qwen_client.chains.shortfalls import of_stages
from qwen_client.conversations import Message
from qwen_client.jobs import Ending, StreamJob
from qwen_client.messages import Answer, options_json
from qwen_client.pcm import SCALE
from qwen_client.short_repr import ShortRepr
from qwen_client.shortfalls import Shortfall
from qwen_client.texts import text_bytes
from qwen_wire import voice_chat as voice_chat_wire
from qwen_wire.chains import Stage, StageEvent, StageProgress, StageResult
from qwen_wire.errors import Cancelled, InvalidRequest
from qwen_wire.messages import to_dict
from qwen_wire.options import VoiceChatOptions
from qwen_wire.voice_chat import SessionStarted, SpeechProgress, VoiceChatEnd

DEFAULT_SAMPLE_RATE = 24_000
INTERRUPTED = Shortfall("interrupted", "the reply was interrupted by another utterance")


@dataclass(frozen=True, kw_only=True)
class Heard(Stage):
    """What was said: all of it."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ReplyText(Stage):
    """The next bit of the reply, as it is written."""

    text: str


@dataclass(frozen=True, kw_only=True, repr=False)
class ReplySound(ShortRepr, Stage):
    """The next samples of the reply (float32, -1 to 1): of its piece number `item`, which says `text`."""

    text: str
    samples: Samples
    sample_rate: int


VoiceEvent: TypeAlias = SessionStarted | Heard | ReplyText | ReplySound | StageEvent
OnEvent: TypeAlias = Callable[[VoiceEvent], object]


@dataclass(frozen=True, repr=False)
class VoiceReply(AudioResult, ShortRepr):
    """A turn of a conversation: what was `heard`, the `text` of the reply, what of it was `spoken`, and its sound.

    `was_interrupted`: another utterance came. `messages` is the conversation as the server remembers it, of replies as
    much as was heard. A player that began with the first sound would have run dry for `underrun_s`. `times_s`: seconds
    to `heard_s`, `first_text_s`, `first_audio_s` and `total_s`. `token` is that of a conversation that began with it.
    `seed`, with the same words, gives the same turn again.
    `shortfalls`: what of it was cut or damaged.
    """

    heard: str
    text: str
    spoken: str
    samples: Samples
    sample_rate: int
    was_interrupted: bool
    messages: tuple[Message, ...]
    underrun_s: float
    times_s: Mapping[str, float]
    request_id: str
    token: str | None = field(repr=False)
    shortfalls: tuple[Shortfall, ...] = ()
    seed: int | None = None


def voice_chat(
    audio: AudioInput | None = None,
    *,
    text: str | None = None,
    session: str | None = None,
    token: str | None = None,
    end_session: bool = False,
    messages: Sequence[Message] | None = None,
    played_s: float | None = None,
    voice: str | None = None,
    language: str | None = None,
    context: str = "",
    max_tokens: int | None = None,
    seed: int | None = None,
    on_event: OnEvent | None = None,
) -> StreamJob[VoiceEvent, VoiceReply]:
    """Say something and hear the reply, which is spoken while it is written: a run to iterate over.

        with client.chains.voice_chat("hello.wav", session="anna") as run:  # leaving early cancels
            for event in run:
                if isinstance(event, ReplySound):
                    play(event.samples, event.sample_rate)
        client.chains.voice_chat("hello.wav").result().save("reply.wav")

    `audio` and `language`, `context` as for `asr.transcribe`; or `text`, what was said as text. A `session` is a
    conversation (see `conversation`, which keeps its name and token): without a `token` a new one begins, and its first
    event is a `SessionStarted`, whose token the turns that follow need. Another one interrupts the reply, and of
    replies only what was heard is remembered: what was delivered, or what was played for `played_s` of the last one.
    `end_session`: the server forgets the conversation after this turn. `messages`: what was said before its first
    turn; one with role "system" first instructs the model. `voice` and `seed` as for `tts.synthesize`. `max_tokens`:
    longest reply. `on_event` is called with each event.
    """
    only_begins_or_ends = audio is None and text is None and (end_session or (session is not None and token is None))
    if (audio is None) == (text is None) and not only_begins_or_ends:
        raise InvalidRequest("give what is said: either audio or text")
    given = {} if messages is None else {"messages": [dict(message) for message in messages]}
    options = options_json(
        VoiceChatOptions,
        session=session,
        token=token,
        end_session=end_session or None,
        played_s=played_s,
        voice=voice,
        language=language,
        context=context,
        max_tokens=max_tokens,
        seed=seed,
        **given,
    )
    spoken = {} if audio is None else {"AUDIO": audio_bytes(audio)}
    written = {} if text is None else {"TEXT": text_bytes(text, "text")}
    inputs = {**spoken, **written, "OPTIONS": options}
    return StreamJob("voice_chat", inputs, announcing(read_voice, on_event), _collect, is_repeatable=session is None)


def read_voice(answer: Answer) -> VoiceEvent:
    """The event in a response of the voice chat."""
    if answer.json("EVENT")["type"] == "session_started":
        return answer.message(SessionStarted, "EVENT")
    match read_stage(answer):
        case StageResult(stage=voice_chat_wire.HEARD, output="TEXT") as event:
            return Heard(**_place(event), text=event.value)
        case StageProgress(stage=voice_chat_wire.REPLY) as event:
            return ReplyText(**_place(event), text=event.payload.decode())
        case StageProgress(stage=voice_chat_wire.SPEECH) as event:
            return _sound(answer.message(SpeechProgress, "EVENT", payload=event.payload))
        case event:
            return event


def _sound(event: SpeechProgress) -> ReplySound:
    samples = np.frombuffer(event.payload, "<i2").astype(np.float32) / SCALE
    rate = (event.event or {})["sample_rate_hz"]
    return ReplySound(**_place(event), text=event.text, samples=samples, sample_rate=rate)


def _place(event: Stage) -> dict[str, Any]:
    return {"stage": event.stage, "item": event.item, "time_s": event.time_s}


def _collect(events: Sequence[VoiceEvent], ending: Ending) -> VoiceReply:
    """Raises `ChainFailed`, which holds the reply as far as it got, where a stage failed."""
    if ending.finish_reason == "cancelled" and "outputs" not in ending.details:
        raise Cancelled("the server cancelled the turn", request_id=ending.request_id)
    sounds = [event for event in events if isinstance(event, ReplySound)]
    end = ending.read(VoiceChatEnd)
    reply = VoiceReply(
        heard=end.outputs.heard,
        text=end.outputs.reply,
        spoken=end.outputs.spoken,
        samples=np.concatenate([np.zeros(0, np.float32), *(sound.samples for sound in sounds)]),
        sample_rate=sounds[0].sample_rate if sounds else DEFAULT_SAMPLE_RATE,
        was_interrupted=end.finish_reason == "cancelled",
        messages=tuple(message.model_dump() for message in end.history),
        underrun_s=end.underrun_s,
        times_s=to_dict(end.timings),
        request_id=ending.request_id,
        token=next((event.token for event in events if isinstance(event, SessionStarted)), None),
        shortfalls=(*of_stages(events), *([INTERRUPTED] if end.finish_reason == "cancelled" else [])),
        seed=end.seed,
    )
    if end.error is not None:
        raise chain_failed(end.error, ending.request_id, reply)
    return reply
