"""The request of the chat engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from qwen_engine.chat.grammar import Grammar
from qwen_engine.sampling import Sampling


@dataclass(frozen=True)
class ChatRequest:
    """Continue `prompt` (token ids) by `max_tokens` at most.

    `thinking`: the answer begins with the model's thinking, which is separated; None: all is text. `stop`: words that
    end the answer and are no part of it. `grammar`: of the answer, which ends where that is complete; without one it
    has `min_tokens` at least. `end_ids`: tokens that end it besides the checkpoint's.
    """

    prompt: Sequence[int]
    max_tokens: int
    sampling: Sampling
    seed: int = 0
    thinking: bool | None = None
    stop: Sequence[str] = ()
    grammar: Grammar | None = None
    min_tokens: int = 0
    end_ids: frozenset[int] = frozenset()
