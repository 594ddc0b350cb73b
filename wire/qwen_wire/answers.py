"""Answers in text and drawings of data: EVENT of `qwen3_chat`, RESULT of `qwen3_vl` and `chart_image`."""

from typing import Literal

from pydantic.dataclasses import dataclass

from qwen_wire.messages import CONFIG, EndEvent, FinishReason, Timings, Usage, absent
from qwen_wire.options import PictureFormat


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ChatPiece:
    """The next piece of an answer, or of the thinking before it, stands in `text_output`."""

    index: int = 0
    type: Literal["text", "thinking"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ChatEnd(EndEvent):
    """The end of an answer. `thinking`: where an answer comes whole and the model has thought before.

    `seed`: of the random numbers, unless the answer is greedy.
    """

    usage: Usage
    seed: int | None = absent()
    thinking: str = absent("")


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class PictureAnswer:
    """RESULT of `qwen3_vl`: `question` as the model was asked it (the user's last text of `messages`), `width` and
    `height` of the first picture, upright. `seed`: of the random numbers, unless the answer is greedy."""

    text: str
    question: str
    width: int
    height: int
    usage: Usage
    seed: int | None = absent()
    finish_reason: FinishReason = "stop"
    timings: Timings | None = absent()


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class ChartResult:
    """RESULT of `chart_image`; `language` is that of the words added to the chart.

    `not_drawn`: characters that no font of the server has; boxes stand for them.
    """

    type: str
    title: str
    width: int
    height: int
    format: PictureFormat
    language: str
    not_drawn: str
    finish_reason: FinishReason = "stop"
    timings: Timings | None = absent()
