"""POST /api/v1/chat and /api/v1/vision/describe."""

import time
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from qwen_gateway.api import PREFIX, language_of, milliseconds_since
from qwen_gateway.body import FORM, JSON, Body, Upload, documented, read_body
from qwen_gateway.context import Context, ContextOf
from qwen_gateway.files import one_file
from qwen_gateway.leaving import unless_left
from qwen_gateway.openai.chat_audio import heard_messages
from qwen_gateway.streaming import Parts, begun, event, event_response

router = APIRouter(prefix=PREFIX, tags=["chat"])


class ChatMessage(Body):
    role: str = Field(pattern="^(system|user|assistant)$")
    content: str | list[dict[str, Any]] = Field(description="a text, or parts as OpenAI's API has them")


class ChatBody(Body):
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    thinking: bool = False
    json_schema: dict[str, Any] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    streaming: bool = Field(default=False, description="server-sent events with pieces of the answer")


class ChatReply(BaseModel):
    """`chat_time` in milliseconds."""

    text: str
    thinking: str
    finish_reason: str
    usage: dict[str, Any]
    chat_time: float


class DescribeBody(Body):
    """A picture: `image_data` in base64, or the `file` of a form."""

    file: Upload | None = None
    image_data: str | None = None
    image_url: str | None = Field(default=None, description="https URL, where the setting remote_hosts has its host")
    question: str = ""
    language: str = "auto"
    max_tokens: int | None = Field(default=None, ge=1)


class DescribeAnswer(BaseModel):
    """`describe_time` in milliseconds; `width` and `height` of the picture."""

    text: str
    question: str
    width: int
    height: int
    finish_reason: str
    describe_time: float


@router.post("/chat", response_model=ChatReply, openapi_extra=documented(ChatBody))
async def chat(context: ContextOf) -> Any:
    """Answer a conversation."""
    begun_s = time.monotonic()
    body = await read_body(context.request, ChatBody)
    plain = [message.model_dump() for message in body.messages]
    messages = await unless_left(context.request, heard_messages(context, plain))
    if body.streaming:
        events = await unless_left(context.request, begun(_events(context, body, messages)))
        return event_response(events, context.settings.keep_alive_s)
    answer = await context.ask(lambda client: client.chat.complete(messages, **_options(body)))
    if body.temperature == 0 or body.seed is not None:
        context.keep_answer()
    return ChatReply(
        text=answer.text,
        thinking=answer.thinking,
        finish_reason=answer.finish_reason,
        usage={"prompt_tokens": answer.usage.prompt_tokens, "completion_tokens": answer.usage.completion_tokens},
        chat_time=milliseconds_since(begun_s),
    )


@router.post("/vision/describe", response_model=DescribeAnswer, openapi_extra=documented(DescribeBody, JSON, FORM))
async def describe(context: ContextOf) -> Response | DescribeAnswer:
    """Describe a picture, or answer a question about it."""
    begun_s = time.monotonic()
    body = await read_body(context.request, DescribeBody)
    image = await one_file(context, file=body.file, image_data=body.image_data, image_url=body.image_url)
    options = {"language": language_of(body.language), "max_new_tokens": body.max_tokens}
    told = await context.ask(lambda client: client.vision.describe(image, body.question, **options))  # type: ignore[arg-type]
    context.keep_answer()  # nothing is sampled
    return DescribeAnswer(
        text=told.text,
        question=told.question,
        width=told.width,
        height=told.height,
        finish_reason=told.finish_reason,
        describe_time=milliseconds_since(begun_s),
    )


async def _events(context: Context, body: ChatBody, messages: list[dict[str, Any]]) -> Parts:
    with context.upstream.server() as client:
        async with client.chat.stream(messages, **_options(body)) as deltas:
            async for delta in deltas:
                yield event({"type": delta.type, "text": delta.text})
            ending = deltas.ending()
    yield event({"type": "done", "finish_reason": ending.finish_reason, "usage": ending.details["usage"]})


def _options(body: ChatBody) -> dict[str, Any]:
    names = ("json_schema", "max_tokens", "temperature", "seed")
    given = {name: getattr(body, name) for name in names}
    return {"thinking": body.thinking, **{name: value for name, value in given.items() if value is not None}}
