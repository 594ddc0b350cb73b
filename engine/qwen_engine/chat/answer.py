"""The responses of `qwen3_chat`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qwen_engine.chat.detokenizer import Delta
from qwen_wire.answers import ChatPiece


@dataclass(frozen=True)
class WholeAnswer:
    """An answer that comes in one response; `thinking` is empty where there was none."""

    text: str
    thinking: str


@dataclass
class AnswerForm:
    """The form of one request's responses: streamed or whole, then after `echo`, and with which token counts."""

    stream: bool
    echo: str
    counts: frozenset[str]
    num_prompt_tokens: int
    num_counted: int = 0  # output tokens in the responses so far

    def count(self, num_tokens: int) -> dict[str, int]:
        """The counts of a response with `num_tokens` new tokens: clients add them up."""
        self.num_counted += num_tokens
        counts = {"num_input_tokens": self.num_prompt_tokens, "num_output_tokens": num_tokens}
        return {name: number for name, number in counts.items() if name in self.counts}


def encode(event: Delta | WholeAnswer, context: AnswerForm) -> dict[str, Any]:
    """The outputs for one event."""
    if isinstance(event, WholeAnswer):
        text, context.echo = context.echo + event.text, ""
        return {"text_output": text.encode(), "EVENT": {"thinking": event.thinking} if event.thinking else {}}
    return {"text_output": event.text.encode(), "EVENT": ChatPiece(type=event.kind), **context.count(event.num_tokens)}


def join(deltas: Sequence[Delta]) -> WholeAnswer:
    """Text and thinking of the whole answer."""
    text, thinking = ("".join(one.text for one in deltas if one.kind == kind) for kind in ("text", "thinking"))
    return WholeAnswer(text, thinking)


def close(closing: Mapping[str, Any], context: AnswerForm) -> dict[str, Any]:
    """The outputs of the end: the count of tokens without a piece, such as those of a stop word, and the prompt, where
    the answer is empty."""
    written = closing["usage"]["completion_tokens"] if "usage" in closing else context.num_counted
    prompt_alone = {"text_output": context.echo.encode()} if context.echo else {}
    return {**context.count(written - context.num_counted), **prompt_alone}
