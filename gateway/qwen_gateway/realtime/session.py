"""What a realtime session is set to, in the words of OpenAI's API (its GA shape)."""

import time
from typing import Any, Literal

from pydantic import Field, field_validator

from qwen_gateway.aliases import Aliases
from qwen_gateway.body import check
from qwen_gateway.errors import GatewayError, bad_request
from qwen_gateway.openai.bodies import OpenAIBody
from qwen_gateway.openai.voice_names import voice_name
from qwen_gateway.realtime.audio_formats import RATES_HZ, FormatName

Kind = Literal["realtime", "transcription"]
MAX_TEXT_CHARS = 100_000
EXPIRES_S = 3600
LISTENERS = ("qwen3_asr", "qwen3_asr_stream")
SPEAKERS = ("voice_chat", "qwen3_chat")
# How long a pause ends a turn where the client asks for its own guess ("semantic_vad"), in ms.
SILENCE_MS = {"low": 1200, "medium": 700, "auto": 700, "high": 400}


class Format(OpenAIBody):
    type: FormatName = "audio/pcm"
    rate: Literal[24_000, 8_000] | None = None

    @property
    def rate_hz(self) -> int:
        return RATES_HZ[self.type]

    def as_event(self) -> dict[str, Any]:
        return {"type": self.type, **({"rate": self.rate_hz} if self.type == "audio/pcm" else {})}


class TurnDetection(OpenAIBody):
    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float = Field(default=0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(default=300, ge=0, le=5000)
    silence_duration_ms: int = Field(default=500, ge=100, le=30_000)
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: None = None

    @property
    def silence_ms(self) -> int:
        return self.silence_duration_ms if self.type == "server_vad" else SILENCE_MS[self.eagerness]

    def as_event(self) -> dict[str, Any]:
        others = {"threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"}
        return self.model_dump(exclude={"eagerness"} if self.type == "server_vad" else others)


class InputTranscription(OpenAIBody):
    model: str = "qwen3_asr"
    language: str | None = Field(default=None, max_length=100)
    languages: list[str] | None = Field(default=None, max_length=100)
    prompt: str = Field(default="", max_length=10_000)
    keywords: list[str] | None = Field(default=None, max_length=1000)

    @property
    def spoken(self) -> str | None:
        """The language, where it is known."""
        return self.language or next(iter(self.languages or ()), None)

    @property
    def context(self) -> str:
        return " ".join([self.prompt, *(self.keywords or ())]).strip()


class AudioInput(OpenAIBody):
    format: Format = Format()
    transcription: InputTranscription | None = None
    turn_detection: TurnDetection | None = None


class AudioOutput(OpenAIBody):
    format: Format = Format()
    voice: str | None = "alloy"
    speed: float = Field(default=1.0, ge=1.0, le=1.0, description="speech is sent as it is made, at its own speed")

    @field_validator("voice", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return voice_name(value)


class Audio(OpenAIBody):
    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class Session(OpenAIBody):
    type: Kind = "realtime"
    model: str = "gpt-realtime"
    instructions: str = Field(default="", max_length=MAX_TEXT_CHARS)
    output_modalities: list[Literal["text", "audio"]] = Field(default=["audio"], min_length=1, max_length=1)
    max_output_tokens: int | Literal["inf"] = "inf"
    audio: Audio = Audio()
    tools: list[Any] = Field(default=[], max_length=0, description="this model calls none")

    @field_validator("tools", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        if value:
            raise ValueError("this model calls no tools")
        return []

    def updated(self, fields: dict[str, Any], aliases: Aliases) -> "Session":
        """With the `fields` that a client gives. Raises `GatewayError` for those that are wrong."""
        if fields.get("type", self.type) != self.type:
            raise bad_request(f"this is a session of type {self.type!r}", param="session.type", code="invalid_value")
        fields = {name: value for name, value in fields.items() if name != "model"}  # it stays what it is
        session = check(Session, _merged(self.model_dump(), fields))
        listener = session.audio.input.transcription
        if listener is not None:
            require_alias(aliases, listener.model, LISTENERS, "session.audio.input.transcription.model")
        return session

    def as_event(self, session_id: str) -> dict[str, Any]:
        """As events tell it: all that is in effect."""
        listening, speaking = self.audio.input, self.audio.output
        turns, listener = listening.turn_detection, listening.transcription
        audio: dict[str, Any] = {
            "input": {
                "format": listening.format.as_event(),
                "transcription": listener and listener.model_dump(exclude_none=True),
                "turn_detection": turns and turns.as_event(),
                "noise_reduction": None,
            }
        }
        head = {"id": session_id, "type": self.type, "expires_at": int(time.time()) + EXPIRES_S, "include": None}
        if self.type == "transcription":
            return {**head, "object": "realtime.transcription_session", "audio": audio}
        audio["output"] = {"format": speaking.format.as_event(), "voice": speaking.voice, "speed": speaking.speed}
        told = self.model_dump(include={"model", "instructions", "output_modalities", "max_output_tokens"})
        fixed: dict[str, Any] = {
            "tools": [],
            "tool_choice": "auto",
            "truncation": "disabled",
            "tracing": None,
            "prompt": None,
        }
        return {**head, "object": "realtime.session", **told, **fixed, "audio": audio}


def first_session(kind: Kind, model: str | None, aliases: Aliases) -> Session:
    """As it is before the client has said anything. Raises `GatewayError` (404) for models that are not known."""
    turns = TurnDetection()
    if kind == "transcription":
        listener = InputTranscription(model=model or "qwen3_asr")
        require_alias(aliases, listener.model, LISTENERS, "model")
        return Session(type=kind, audio=Audio(input=AudioInput(transcription=listener, turn_detection=turns)))
    named = model or "gpt-realtime"
    require_alias(aliases, named, SPEAKERS, "model")
    return Session(model=named, audio=Audio(input=AudioInput(turn_detection=turns)))


def require_alias(aliases: Aliases, name: str, wanted: tuple[str, ...], param: str) -> None:
    if aliases.model(name) not in wanted:
        message = f"model {name[:80]!r} does not do this; known here: {', '.join(wanted)} and the names in /v1/models"
        raise GatewayError(404, message, param=param, code="model_not_found")


def _merged(old: Any, new: Any) -> Any:
    """`new` over `old`, field by field; an object of another type replaces the old one."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    if "type" in new and new["type"] != old.get("type"):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
