"""What a voice chat is asked: an utterance, spoken or written, and whose conversation it belongs to."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from qwen_engine.errors import InvalidRequest
from qwen_engine.messages import Inputs
from qwen_engine.options import AudioOptions, ChatMessage, parse_options, parse_text

MAX_TEXT_CHARS = 4000
AUDIO_FIELDS = {"audio_format", "sample_rate_hz", "num_channels"}


class VoiceOptions(AudioOptions):
    session: str | None = Field(None, min_length=1, max_length=64, description="name of the conversation; null: none")
    end_session: bool = Field(False, description="the conversation ends with this; alone, it ends at once")
    messages: tuple[ChatMessage, ...] | None = Field(
        None, max_length=200, description="what was said before, where the conversation is new"
    )
    played_s: float | None = Field(None, ge=0, description="how much of the last reply's sound was played")
    language: str | None = Field(None, description="of AUDIO: name or ISO code; null or 'auto': detected")
    context: str = Field("", max_length=4000, description="words to expect in AUDIO, such as names")
    voice: str | None = Field(None, description="who replies: a named speaker or a stored voice; null: the first one")
    max_tokens: int | None = Field(None, ge=1, description="of the reply; null: the chat model's own limit")
    seed: int = Field(0, ge=0, lt=2**63)
    deadline_s: float | None = Field(None, gt=0, description="for the whole; null: the profile's")


@dataclass(frozen=True)
class VoiceRequest:
    """`audio` is the file or the samples; `text`, what was heard already, takes its place. Neither: no utterance."""

    audio: bytes
    text: str
    options: VoiceOptions

    @property
    def has_utterance(self) -> bool:
        return bool(self.audio or self.text)

    def asr_options(self) -> bytes:
        """OPTIONS for the recogniser."""
        asked = self.options.model_dump(include={*AUDIO_FIELDS, "language", "context"}, exclude_none=True)
        return json.dumps({**asked, "timestamps": "none"}).encode()

    def chat_options(self, messages: list[dict[str, str]]) -> bytes:
        """OPTIONS for the chat model."""
        return _json(messages=messages, max_tokens=self.options.max_tokens, seed=self.options.seed)

    def tts_options(self) -> bytes:
        """OPTIONS for the voice."""
        return _json(voice=self.options.voice, seed=self.options.seed)

    def messages(self) -> list[dict[str, str]] | None:
        """What was said before; None: the conversation knows."""
        given = self.options.messages
        return None if given is None else [message.model_dump() for message in given]


def _json(**options: Any) -> bytes:
    return json.dumps({name: value for name, value in options.items() if value is not None}).encode()


def read_request(inputs: Inputs) -> VoiceRequest:
    """The request of a model's input payloads. Raises `InvalidRequest` by name."""
    options = parse_options(VoiceOptions, inputs["OPTIONS"])
    text = parse_text(inputs["TEXT"], "TEXT").strip()
    request = VoiceRequest(options.decode(inputs["AUDIO"], "AUDIO"), text, options)
    if request.audio and request.text:
        raise InvalidRequest("AUDIO and TEXT are both given; the utterance is one or the other")
    if len(text) > MAX_TEXT_CHARS:
        raise InvalidRequest(f"TEXT has {len(text)} characters; the limit is {MAX_TEXT_CHARS}")
    if not request.has_utterance and not options.end_session:
        raise InvalidRequest("AUDIO and TEXT are both empty; send what is said, or OPTIONS.end_session")
    for field in ("end_session", "played_s"):
        if getattr(options, field) and options.session is None:
            raise InvalidRequest(f"OPTIONS.{field} is given without OPTIONS.session: say which conversation is meant")
    return request
