"""From what the model writes to the payloads a caller gets."""

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
    """What one caller wants to be told: in pieces or whole and then behind `echo`, with which counts of tokens."""

    stream: bool
    echo: str
    counts: frozenset[str]
    num_prompt_tokens: int
    num_told: int = 0  # of the tokens written

    def count(self, num_tokens: int) -> dict[str, int]:
        """The counts that go with a response, `num_tokens` more than those before: clients add them up."""
        self.num_told += num_tokens
        counts = {"num_input_tokens": self.num_prompt_tokens, "num_output_tokens": num_tokens}
        return {name: number for name, number in counts.items() if name in self.counts}


def encode(event: Delta | WholeAnswer, asked: AnswerForm) -> dict[str, Any]:
    """The outputs that tell of one event."""
    if isinstance(event, WholeAnswer):
        text, asked.echo = asked.echo + event.text, ""
        return {"text_output": text.encode(), "EVENT": {"thinking": event.thinking} if event.thinking else {}}
    return {"text_output": event.text.encode(), "EVENT": ChatPiece(type=event.kind), **asked.count(event.num_tokens)}


def join(deltas: Sequence[Delta]) -> WholeAnswer:
    """All that was written, the thinking apart."""
    text, thinking = ("".join(one.text for one in deltas if one.kind == kind) for kind in ("text", "thinking"))
    return WholeAnswer(text, thinking)


def close(closing: Mapping[str, Any], asked: AnswerForm) -> dict[str, Any]:
    """The outputs that come with the end alone: tokens that no piece has told of, such as those of a stop word, and
    the prompt, where nothing was written after it."""
    written = closing["usage"]["completion_tokens"] if "usage" in closing else asked.num_told
    prompt_alone = {"text_output": asked.echo.encode()} if asked.echo else {}
    return {**asked.count(written - asked.num_told), **prompt_alone}
