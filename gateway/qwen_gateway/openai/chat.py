"""/v1/chat/completions."""

import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field, field_validator

from qwen_client import ChatAnswer, ChatDelta
from qwen_gateway.body import documented, read_body
from qwen_gateway.context import Context, ContextOf
from qwen_gateway.errors import bad_request
from qwen_gateway.leaving import unless_left
from qwen_gateway.names import require_model
from qwen_gateway.openai.bodies import OpenAIBody
from qwen_gateway.openai.chat_audio import SpokenAnswer, heard_messages
from qwen_gateway.streaming import DONE, Parts, begun, event, event_response
from qwen_wire.messages import Usage

router = APIRouter(prefix="/v1/chat", tags=["OpenAI: chat"])

ANY_OBJECT = {"type": "object"}


class StreamOptions(OpenAIBody):
    include_usage: bool = False


class AudioChoice(OpenAIBody):
    voice: str | dict[str, Any] = "alloy"
    format: Literal["wav", "mp3", "opus", "aac", "flac", "pcm16"] = "wav"


class JsonSchema(OpenAIBody):
    name: str = ""
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")


class ResponseFormat(OpenAIBody):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None

    @property
    def asked_schema(self) -> dict[str, Any] | None:
        if self.type == "json_schema" and self.json_schema is not None:
            return self.json_schema.schema_
        return ANY_OBJECT if self.type == "json_object" else None


class TemplateOptions(OpenAIBody):
    enable_thinking: bool = False


class CompletionBody(OpenAIBody):
    messages: list[dict[str, Any]] = Field(min_length=1, max_length=1000)
    model: str = "gpt-4o"
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stop: list[str] = Field(default=[], max_length=16)
    n: int = Field(default=1, ge=1, le=1, description="one answer")
    response_format: ResponseFormat | None = None
    modalities: list[Literal["text", "audio"]] = ["text"]  # noqa: RUF012  # pydantic copies it
    audio: AudioChoice | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    chat_template_kwargs: TemplateOptions = TemplateOptions()

    @field_validator("stop", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else [] if value is None else value

    @field_validator("modalities", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return ["text"] if value is None else value

    @property
    def speaks(self) -> bool:
        return "audio" in self.modalities


@router.post("/completions", openapi_extra=documented(CompletionBody), response_model=None)
async def completions(context: ContextOf) -> Response | dict[str, Any]:
    """Answer a conversation."""
    body = await read_body(context.request, CompletionBody)
    require_model(context, body.model, "qwen3_chat", "qwen3_vl")
    if body.tools or body.functions:
        raise bad_request("tools: this model calls none", param="tools", code="unsupported")
    messages = await unless_left(context.request, heard_messages(context, _roles(body.messages)))
    completion = _Completion(context, body, messages)
    if body.stream:
        events = await unless_left(context.request, begun(completion.events()))
        return event_response(events, context.settings.keep_alive_s)
    return await unless_left(context.request, completion.whole())


def _roles(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """OpenAI's newer name of a system message is the older one here; other fields of a message mean nothing here."""
    known = []
    for number, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if role in ("tool", "function") or message.get("tool_calls"):
            raise bad_request(f"messages.{number} is of a tool: this model calls none", param="messages")
        if not isinstance(role, str) or content is None:
            raise bad_request(f"messages.{number} has no role or no content", param="messages")
        known.append({"role": "system" if role == "developer" else role, "content": content})
    return known


class _Completion:
    """One answer, in the forms that OpenAI's API has for it."""

    def __init__(self, context: Context, body: CompletionBody, messages: list[dict[str, Any]]) -> None:
        self._context = context
        self._body = body
        self._messages = messages
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": body.model}

    async def whole(self) -> dict[str, Any]:
        """A chat.completion."""
        with self._context.upstream.server() as client:
            answer = await client.chat.complete(self._messages, **self._options())
        message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.thinking:
            message["reasoning_content"] = answer.thinking
        if self._body.speaks:
            message |= {"content": None, "audio": await self._spoken().whole(answer.text)}
        choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason, "logprobs": None}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": _usage(answer.usage)}

    async def events(self) -> Parts:
        """Chunks, the usage where it was asked for, and the end."""
        yield self._chunk({"role": "assistant", "content": ""})
        text = ""
        async with aclosing(self._deltas()) as deltas:
            async for delta in deltas:
                if isinstance(delta, ChatAnswer):
                    answer = delta
                    break
                text += delta.text if delta.type == "text" else ""
                yield self._chunk({"content" if delta.type == "text" else "reasoning_content": delta.text})
        if self._body.speaks:
            async with aclosing(self._spoken().deltas(text)) as sounds:
                async for sound in sounds:
                    yield self._chunk({"audio": sound})
        yield self._chunk({}, answer.finish_reason)
        if self._body.stream_options is not None and self._body.stream_options.include_usage:
            yield event({**self._head, **CHUNK, "choices": [], "usage": _usage(answer.usage)})
        yield DONE

    async def _deltas(self) -> AsyncGenerator[ChatDelta | ChatAnswer, None]:
        """The pieces of the answer as they come, then all of it."""
        with self._context.upstream.server() as client:
            async with client.chat.stream(self._messages, **self._options()) as deltas:
                async for delta in deltas:
                    yield delta
                ending = deltas.ending()
        usage = Usage(**{name: ending.details["usage"].get(name) for name in USAGE_FIELDS})
        yield ChatAnswer("", "", ending.finish_reason, usage, ending.timings, ending.request_id)

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return event({**self._head, **CHUNK, "choices": [choice]})

    def _spoken(self) -> SpokenAnswer:
        audio = self._body.audio or AudioChoice()
        return SpokenAnswer(self._context, audio.voice, audio.format, is_stream=self._body.stream)

    def _options(self) -> dict[str, Any]:
        body = self._body
        given = {
            "max_tokens": body.max_completion_tokens or body.max_tokens,
            "temperature": body.temperature,
            "top_p": body.top_p,
            "presence_penalty": body.presence_penalty,
            "frequency_penalty": body.frequency_penalty,
            "seed": body.seed,
            "stop": tuple(body.stop) or None,
            "json_schema": body.response_format.asked_schema if body.response_format else None,
            "thinking": body.chat_template_kwargs.enable_thinking or None,
        }
        return {name: value for name, value in given.items() if value is not None}


CHUNK = {"object": "chat.completion.chunk"}
USAGE_FIELDS = ("prompt_tokens", "completion_tokens", "cached_tokens")


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens or 0},
    }
