"""One answer while it is being written."""

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from qwen_engine.chat.grammar import Guard
from qwen_engine.chat.request import ChatRequest
from qwen_engine.chat.text import Delta, Kind, Writing
from qwen_engine.loop import FinishReason, Session
from qwen_engine.sampling import Uniforms

KINDS: tuple[Kind, ...] = ("thinking", "text")
# The largest number below 1 would, by rounding, draw behind the last token that is allowed.
LARGEST_UNIFORM = 1 - 2**-20


@dataclass(eq=False)
class Row:
    """A request that has a row of the batch; `positions` of its slot are filled, `num_cached` of them were copied."""

    session: Session[ChatRequest]
    writing: Writing
    budget: int
    uniforms: Uniforms | None
    guard: Guard | None
    num_cached: int = 0
    positions: int = 0
    ids: list[int] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)
    _unsent: list[Delta] = field(default_factory=list)

    @property
    def request(self) -> ChatRequest:
        return self.session.request

    @property
    def unread(self) -> Sequence[int]:
        """The prompt without what was copied."""
        return self.request.prompt[self.num_cached :]

    @property
    def read(self) -> list[int]:
        """The tokens whose keys and values the slot holds."""
        return [*self.request.prompt, *self.ids][: self.positions]

    @property
    def guarded(self) -> Guard | None:
        """What the next token must keep to."""
        return self.guard if self.writing.answering else None

    def uniform(self) -> float:
        """The random number of the next draw."""
        return 0.0 if self.uniforms is None else min(float(self.uniforms.next()[0]), LARGEST_UNIFORM)

    def take(self, token: int, eos_ids: Container[int]) -> None:
        """Add the token that was drawn: tell what may be shown of it, and end where the answer ends."""
        if token in eos_ids:
            self._finish("stop")
            return
        self.ids.append(token)
        self.counts[token] += 1
        if guard := self.guarded:
            guard.take(token)
        self._tell(self.writing.add(token))
        if self.writing.stopped or (guard and guard.complete):
            self._finish("stop")
        elif len(self.ids) == self.budget:
            self._finish("length")

    def _tell(self, delta: Delta | None) -> None:
        if delta is None:
            return
        if self.request.stream:
            self.session.emit(delta)
        else:
            self._unsent.append(delta)

    def _finish(self, reason: FinishReason) -> None:
        self._tell(self.writing.rest())
        if not self.request.stream:
            self._tell_all()
        usage = {
            "prompt_tokens": len(self.request.prompt),
            "cached_tokens": self.num_cached,
            "completion_tokens": len(self.ids),
        }
        self.session.finish(reason, usage=usage)

    def _tell_all(self) -> None:
        """Each part as one: the answer even where it is empty."""
        for kind in KINDS:
            text = "".join(delta.text for delta in self._unsent if delta.kind == kind)
            if text or kind == "text":
                self.session.emit(Delta(kind, text))
