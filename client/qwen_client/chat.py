"""Chat: `client.chat`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from qwen_client.jobs import Ending, StreamJob, require_complete
from qwen_client.messages import Answer, options_json
from qwen_wire.errors import ServerError
from qwen_wire.messages import Timings, Usage, read_message
from qwen_wire.options import ChatOptions

MODEL = "qwen3_chat"
Message: TypeAlias = Mapping[str, str]
"""{"role": "system", "user" or "assistant", "content": text}"""
Messages: TypeAlias = str | Sequence[Message]
"""A conversation that ends with the user's words; a text alone is those."""


@dataclass(frozen=True)
class ChatDelta:
    """The next piece of an answer, or of the thinking before it."""

    type: Literal["text", "thinking"]
    text: str
    index: int


@dataclass(frozen=True)
class ChatAnswer:
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
            told = f"the answer is not JSON ({error}; finish_reason {self.finish_reason!r})"
            raise ServerError(told, request_id=self.request_id) from error


def complete(
    messages: Messages,
    *,
    system: str | None = None,
    thinking: bool = False,
    json_schema: Mapping[str, Any] | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    presence_penalty: float = 0.0,
    frequency_penalty: float = 0.0,
    seed: int = 0,
    stop: Sequence[str] = (),
) -> StreamJob[ChatDelta, ChatAnswer]:
    """Answer a conversation: `complete` returns a `ChatAnswer`, `stream` gives each `ChatDelta` as it is written.

        print(client.chat.complete("Say hello.", system="You are friendly.").text)

        with client.chat.stream([{"role": "user", "content": "Tell me a story."}]) as deltas:  # leaving early cancels
            for delta in deltas:
                print(delta.text, end="", flush=True)

        schema = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
        client.chat.complete("A red circle.", json_schema=schema).json()["colour"]

    `system` goes before the messages. With `thinking` the model thinks first; what it thinks is no part of the text.
    `json_schema`: the answer is JSON of that schema. Same `seed`, same answer; `temperature` 0: greedy. `stop`: the
    answer ends before the first of these words. None everywhere: the server's choice.
    """
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else [dict(one) for one in messages]
    if system is not None:
        turns.insert(0, {"role": "system", "content": system})
    options = options_json(
        ChatOptions,
        messages=turns,
        thinking=thinking,
        json_schema=json_schema,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        presence_penalty=presence_penalty,
        frequency_penalty=frequency_penalty,
        seed=seed,
        stop=tuple(stop),
    )
    return StreamJob(MODEL, {"text_input": b"", "OPTIONS": options}, _read, _collect)


def _read(answer: Answer) -> ChatDelta:
    event = answer.json("EVENT")
    return ChatDelta(event["type"], answer.text("text_output"), event["index"])


def _collect(deltas: Sequence[ChatDelta], ending: Ending) -> ChatAnswer:
    require_complete(ending)
    text, thinking = ("".join(delta.text for delta in deltas if delta.type == kind) for kind in ("text", "thinking"))
    usage = read_message(Usage, ending.details["usage"])
    return ChatAnswer(text, thinking, ending.finish_reason, usage, ending.timings, ending.request_id)
