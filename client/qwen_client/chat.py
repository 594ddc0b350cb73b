"""Chat: `client.chat`."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from qwen_client.jobs import Ending, StreamJob, require_complete
from qwen_client.messages import Answer, options_json
from qwen_client.short_repr import ShortRepr
from qwen_client.texts import text_items
from qwen_wire.errors import InvalidRequest, ServerError
from qwen_wire.messages import Timings, Usage, read_message
from qwen_wire.options import ChatOptions

MODEL = "qwen3_chat"
ModelT = TypeVar("ModelT", bound=BaseModel)
Message: TypeAlias = Mapping[str, Any]
"""{"role": "system", "user" or "assistant", "content": text, or parts {"type": "text", "text": text}}"""
Messages: TypeAlias = str | Sequence[Message]
"""A conversation that ends with the user's words; a text alone is those."""


@dataclass(frozen=True, repr=False)
class ChatDelta(ShortRepr):
    """The next piece of an answer, or of the thinking before it."""

    type: Literal["text", "thinking"]
    text: str
    index: int


@dataclass(frozen=True, repr=False)
class ChatAnswer(ShortRepr):
    """What the model answered, and what it thought before.

    `finish_reason` "length": it was cut at `max_tokens`, or where the model can read no more.
    """

    text: str
    thinking: str
    finish_reason: str
    usage: Usage
    timings: Timings = field(compare=False)
    request_id: str = field(compare=False)

    @property
    def message(self) -> dict[str, str]:
        """The answer as the next message of the conversation."""
        return {"role": "assistant", "content": self.text}

    def json(self) -> Any:
        """The value of an answer that was asked for with a `json_schema`; `ServerError` where it was cut."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            problem = f"the answer is not JSON ({error}; finish_reason {self.finish_reason!r})"
            raise ServerError(problem, request_id=self.request_id) from error

    def parse(self, model: type[ModelT]) -> ModelT:
        """An answer that was asked for with `json_schema=model`, as that; `ServerError` where it was cut."""
        try:
            return model.model_validate(self.json())
        except ValidationError as error:
            problem = f"the answer is no {model.__name__}: {' '.join(str(error).split())}"
            raise ServerError(problem, request_id=self.request_id) from error

    def _repr_html_(self) -> str:
        thinking = f"<details><summary>thinking</summary>{_lines(self.thinking)}</details>" if self.thinking else ""
        return (
            f"{thinking}{_lines(self.text)}<small>{self.usage.completion_tokens} tokens, {self.finish_reason}</small>"
        )


def complete(
    messages: Messages,
    *,
    system: str | None = None,
    thinking: bool = False,
    json_schema: Mapping[str, Any] | type[BaseModel] | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    presence_penalty: float = 0.0,
    frequency_penalty: float = 0.0,
    seed: int = 0,
    stop: str | Sequence[str] = (),
) -> StreamJob[ChatDelta, ChatAnswer]:
    """Answer a conversation: `complete` returns a `ChatAnswer`, `stream` gives each `ChatDelta` as it is written.

        print(client.chat.complete("Say hello.", system="You are friendly.").text)

        with client.chat.stream([{"role": "user", "content": "Tell me a story."}]) as deltas:  # leaving early cancels
            for delta in deltas:
                print(delta.text, end="", flush=True)

        schema = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
        client.chat.complete("A red circle.", json_schema=schema).json()["colour"]
        client.chat.complete("A red circle.", json_schema=Figure).parse(Figure).colour

    `system` goes before the messages. With `thinking` the model thinks first; what it thinks is no part of the text.
    `json_schema`: the answer is JSON of that schema, or of a pydantic model, which `parse` then reads. Same `seed`,
    same answer; `temperature` 0: greedy. `stop`: the answer ends before the first of these words. None everywhere: the
    server's choice.
    """
    turns = _turns(messages)
    if system is not None:
        turns.insert(0, {"role": "system", "content": system})
    options = options_json(
        ChatOptions,
        messages=turns,
        thinking=thinking,
        json_schema=_schema(json_schema),
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        presence_penalty=presence_penalty,
        frequency_penalty=frequency_penalty,
        seed=seed,
        stop=text_items(stop, "stop"),
    )
    return StreamJob(MODEL, {"text_input": b"", "OPTIONS": options}, _read, _collect)


def _turns(messages: Messages) -> list[dict[str, Any]]:
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    if isinstance(messages, Mapping) or not all(isinstance(one, Mapping) for one in messages):
        raise InvalidRequest('messages: give a text, or a list of {"role": "user", "content": "..."}')
    return [{**one, "content": _content(one.get("content"))} for one in messages]


def _content(content: Any) -> Any:
    """Text, also of parts as OpenAI's API has them."""
    if not isinstance(content, list | tuple):
        return content  # what is no text the server refuses
    others = sorted({str(part.get("type")) for part in content if isinstance(part, Mapping)} - {"text"})
    if others or not all(isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in content):
        raise InvalidRequest(
            f"messages have parts of type {', '.join(others) or 'unknown'}: {MODEL} reads text; "
            "client.vision.describe answers questions about pictures, client.asr.transcribe writes speech down"
        )
    return "\n".join(part["text"] for part in content)


def _schema(schema: Mapping[str, Any] | type[BaseModel] | None) -> Any:
    return schema.model_json_schema() if isinstance(schema, type) and issubclass(schema, BaseModel) else schema


def _lines(text: str) -> str:
    return "".join(f"<p>{html.escape(line)}</p>" for line in text.splitlines() if line.strip())


def _read(answer: Answer) -> ChatDelta:
    event = answer.json("EVENT")
    return ChatDelta(event["type"], answer.text("text_output"), event["index"])


def _collect(deltas: Sequence[ChatDelta], ending: Ending) -> ChatAnswer:
    require_complete(ending)
    text, thinking = ("".join(delta.text for delta in deltas if delta.type == kind) for kind in ("text", "thinking"))
    usage = read_message(Usage, ending.details["usage"])
    return ChatAnswer(text, thinking, ending.finish_reason, usage, ending.timings, ending.request_id)
