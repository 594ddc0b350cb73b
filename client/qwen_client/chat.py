"""Chat: `client.chat`."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from qwen_client.conversations import Conversation, Messages, read_conversation
from qwen_client.jobs import Ending, StreamJob, require_complete
from qwen_client.messages import Answer, Inputs, options_json
from qwen_client.short_repr import ShortRepr
from qwen_client.texts import text_items
from qwen_wire.errors import InvalidRequest, ServerError
from qwen_wire.messages import Timings, Usage, read_message
from qwen_wire.options import ChatOptions, VisionOptions

MODEL = "qwen3_chat"
VISION_MODEL = "qwen3_vl"
VISION_NAMES = {"max_tokens": "max_new_tokens", "temperature": "temperature", "seed": "seed"}
ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, repr=False)
class ChatDelta(ShortRepr):
    """The next piece of an answer, or of the thinking before it."""

    type: Literal["text", "thinking"]
    text: str
    index: int


@dataclass(frozen=True, repr=False)
class ChatAnswer(ShortRepr):
    """What the model answered, and what it thought before.

    `finish_reason` "length": it was cut at `max_tokens`, or where the model can read no more. `seed` gives the same
    answer again; None: the answer is greedy, and needs none.
    """

    text: str
    thinking: str
    finish_reason: str
    usage: Usage
    timings: Timings = field(compare=False)
    request_id: str = field(compare=False)
    seed: int | None = None

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
    seed: int | None = None,
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

        picture = {"type": "image", "image": "circle.png"}  # or an image_url with a data URI
        client.chat.complete([{"role": "user", "content": [picture, {"type": "text", "text": "Where is it?"}]}])

    `system` goes before the messages. With `thinking` the model thinks first; what it thinks is no part of the text.
    `json_schema`: the answer is JSON of that schema, or of a pydantic model, which `parse` then reads. Same `seed`,
    same answer; None: a random one. `temperature` 0: greedy. `stop`: the answer ends before the first of these words.
    None everywhere: the server's choice. A conversation with pictures is answered by `qwen3_vl`, in one piece, and
    takes `max_tokens`, `temperature` and `seed` alone.
    """
    conversation = read_conversation(messages, system)
    options = {
        "thinking": thinking,
        "json_schema": _schema(json_schema),
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "presence_penalty": presence_penalty,
        "frequency_penalty": frequency_penalty,
        "seed": seed,
        "stop": text_items(stop, "stop"),
    }
    if conversation.pictures:
        return _about_pictures(conversation, options)
    payload = options_json(ChatOptions, messages=conversation.messages, **options)
    return StreamJob(MODEL, {"text_input": b"", "OPTIONS": payload}, _read, _collect)


def _about_pictures(conversation: Conversation, options: dict[str, Any]) -> StreamJob[ChatDelta, ChatAnswer]:
    """Raises `InvalidRequest` for options that `qwen3_vl` does not have."""
    others = [name for name, value in options.items() if name not in VISION_NAMES and value]
    if others:
        raise InvalidRequest(f"{', '.join(others)}: {VISION_MODEL}, which looks at the pictures, does not take it")
    payload = options_json(
        VisionOptions,
        messages=conversation.messages,
        **{name: options[asked] for asked, name in VISION_NAMES.items()},
    )
    inputs: Inputs = {"IMAGE": conversation.pictures, "TEXT": b"", "OPTIONS": payload}
    return StreamJob(VISION_MODEL, inputs, _read_whole, _collect)


def _schema(schema: Mapping[str, Any] | type[BaseModel] | None) -> Any:
    return schema.model_json_schema() if isinstance(schema, type) and issubclass(schema, BaseModel) else schema


def _lines(text: str) -> str:
    return "".join(f"<p>{html.escape(line)}</p>" for line in text.splitlines() if line.strip())


def _read(answer: Answer) -> ChatDelta:
    event = answer.json("EVENT")
    return ChatDelta(event["type"], answer.text("text_output"), event["index"])


def _read_whole(answer: Answer) -> ChatDelta:
    return ChatDelta("text", answer.text("TEXT"), 0)


def _collect(deltas: Sequence[ChatDelta], ending: Ending) -> ChatAnswer:
    require_complete(ending)
    text, thinking = ("".join(delta.text for delta in deltas if delta.type == kind) for kind in ("text", "thinking"))
    usage = read_message(Usage, ending.details["usage"])
    seed = ending.details.get("seed")
    return ChatAnswer(text, thinking, ending.finish_reason, usage, ending.timings, ending.request_id, seed)
