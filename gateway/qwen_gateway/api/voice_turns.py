"""A turn of a spoken conversation as server-sent events: what was heard, the reply's text, its sound, the end."""

from collections.abc import AsyncGenerator
from typing import Any

from pydantic import Field

from qwen_client import Heard, ReplySound, ReplyText, SessionStarted, VoiceReply
from qwen_gateway.body import Body, check
from qwen_gateway.context import Context
from qwen_gateway.sound_encoder import pcm16
from qwen_gateway.streaming import base64_text


class TurnInputs(Body):
    """`inputs` of the chain `voice_chat`; see the page on chains."""

    session: str | None = Field(default=None, min_length=1, max_length=64)
    token: str | None = Field(default=None, min_length=1, max_length=100)
    end_session: bool = False
    messages: list[dict[str, Any]] | None = Field(default=None, max_length=200)
    played_s: float | None = Field(default=None, ge=0)
    voice: str | None = Field(default=None, max_length=100)
    language: str | None = None
    context: str = Field(default="", max_length=4000)
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**63)


async def turn(
    context: Context, audio: bytes | None, text: str | None, inputs: dict[str, Any]
) -> AsyncGenerator[dict[str, Any], None]:
    """The events of a turn."""
    options = dict(check(TurnInputs, inputs))
    options["voice"] = context.settings.aliases.voice(options["voice"])
    with context.upstream.server() as client:
        async with client.chains.voice_chat(audio, text=text, **options) as run:
            async for one in run:
                if (told := _told(one)) is not None:
                    yield told
            yield _end(await run.result())


def _told(one: Any) -> dict[str, Any] | None:
    match one:
        case SessionStarted():
            return {"type": "session_started", "session": one.session, "token": one.token}
        case Heard():
            return {"type": "heard", "text": one.text, "time_s": one.time_s}
        case ReplyText():
            return {"type": "text", "text": one.text, "time_s": one.time_s}
        case ReplySound():
            sound = {"payload": base64_text(pcm16(one.samples).tobytes()), "sample_rate": one.sample_rate}
            return {"type": "sound", "text": one.text, "time_s": one.time_s, **sound}
    return None  # stages that begin and end say no more than these


def _end(reply: VoiceReply) -> dict[str, Any]:
    return {
        "type": "end",
        "finish_reason": "cancelled" if reply.was_interrupted else "stop",
        "heard": reply.heard,
        "text": reply.text,
        "spoken": reply.spoken,
        "times_s": dict(reply.times_s),
        "seed": reply.seed,
    }
