"""What a voice chat is asked: an utterance, spoken or written, and whose conversation it belongs to."""

import json
from dataclasses import dataclass
from typing import Any

from qwen_engine.messages import Inputs
from qwen_engine.seeds import seed_or_random
from qwen_wire.errors import InvalidRequest
from qwen_wire.languages import resolve_language
from qwen_wire.options import VoiceChatOptions, parse_options, parse_text

MAX_TEXT_CHARS = 4000
AUDIO_FIELDS = {"audio_format", "sample_rate_hz", "num_channels"}


@dataclass(frozen=True)
class VoiceRequest:
    """`audio` is the file or the samples; `text`, what was heard already, takes its place.

    Neither: no utterance, a conversation begins or ends. `seed`: of all stages.
    """

    audio: bytes
    text: str
    options: VoiceChatOptions
    seed: int

    @property
    def has_utterance(self) -> bool:
        return bool(self.audio or self.text)

    @property
    def only_ends(self) -> bool:
        """Whether it does nothing but end a conversation."""
        return self.options.end_session and not self.has_utterance

    def asr_options(self) -> bytes:
        """OPTIONS for the recogniser."""
        asked = self.options.model_dump(include={*AUDIO_FIELDS, "language", "context"}, exclude_none=True)
        return json.dumps({**asked, "timestamps": "none"}).encode()

    def chat_options(self, messages: list[dict[str, str]]) -> bytes:
        """OPTIONS for the chat model."""
        return _json(messages=messages, max_tokens=self.options.max_tokens, seed=self.seed)

    def tts_options(self) -> bytes:
        """OPTIONS for the voice."""
        return _json(voice=self.options.voice, seed=self.seed)

    def messages(self) -> list[dict[str, str]] | None:
        """What was said before; None: the conversation knows."""
        given = self.options.messages
        return None if given is None else [message.model_dump() for message in given]


def _json(**options: Any) -> bytes:
    return json.dumps({name: value for name, value in options.items() if value is not None}).encode()


def read_request(inputs: Inputs) -> VoiceRequest:
    """The request of a model's input payloads. Raises `InvalidRequest` by name."""
    options = parse_options(VoiceChatOptions, inputs["OPTIONS"])
    text = parse_text(inputs["TEXT"], "TEXT").strip()
    request = VoiceRequest(options.decode(inputs["AUDIO"], "AUDIO"), text, options, seed_or_random(options.seed))
    if request.audio and request.text:
        raise InvalidRequest("AUDIO and TEXT are both given; the utterance is one or the other")
    resolve_language(options.language, hears_dialects=True)  # one that is unknown is refused, needed or not
    if len(text) > MAX_TEXT_CHARS:
        raise InvalidRequest(f"TEXT has {len(text)} characters; the limit is {MAX_TEXT_CHARS}")
    if not request.has_utterance and not options.end_session and (options.session is None or options.token):
        raise InvalidRequest("AUDIO and TEXT are both empty; send what is said, or OPTIONS.end_session")
    for field in ("end_session", "played_s", "token"):
        if getattr(options, field) and options.session is None:
            raise InvalidRequest(f"OPTIONS.{field} is given without OPTIONS.session: say which conversation is meant")
    return request
