"""One answer while it is being written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from qwen_engine.chat.detokenizer import Delta, Detokenizer
from qwen_engine.chat.grammar import what_is_wrong
from qwen_engine.chat.grammar_state import GrammarState, WrongSchema
from qwen_engine.chat.penalties import Lane
from qwen_engine.chat.request import ChatRequest
from qwen_engine.loop import Session
from qwen_engine.sampling import Uniforms
from qwen_wire.errors import InvalidRequest
from qwen_wire.messages import FinishReason

# The largest number below 1 would, by rounding, draw behind the last token that is allowed.
# Of what was kept of others of the same tenant, nobody is to find out token by token where it differs from a guess.
TOLD_STEP = 128
LARGEST_UNIFORM = 1 - 2**-20


@dataclass(eq=False)
class Row:
    """A request that has a row of the batch; `positions` of its slot are filled, `num_cached` of them were copied."""

    session: Session[ChatRequest]
    detokenizer: Detokenizer
    budget: int
    uniforms: Uniforms | None
    grammar_state: GrammarState | None
    end_ids: frozenset[int]
    num_cached: int = 0
    positions: int = 0
    ids: list[int] = field(default_factory=list)
    lane: Lane | None = None
    _num_told: int = 0

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
    def last(self) -> int:
        """The last token of all so far."""
        return self.ids[-1] if self.ids else self.request.prompt[-1]

    @property
    def guarded(self) -> GrammarState | None:
        """What the next token must keep to."""
        return self.grammar_state if self.detokenizer.answering else None

    @property
    def barred(self) -> Collection[int]:
        """The tokens that would end the answer too soon. A schema says itself where it ends."""
        too_soon = self.guarded is None and len(self.ids) < self.request.min_tokens
        return self.end_ids if too_soon else ()

    def uniform(self) -> float:
        """The random number of the next draw."""
        return 0.0 if self.uniforms is None else min(float(self.uniforms.next()[0]), LARGEST_UNIFORM)

    def listen(self) -> bool:
        """Whether the next token may be drawn now; what guards the answer may need time, or end it."""
        if (grammar_state := self.guarded) is None:
            return True
        try:
            known = grammar_state.listen()
        except WrongSchema as error:
            told = what_is_wrong(str(error))
            raise InvalidRequest(f"OPTIONS.json_schema cannot be followed: {told}") from None
        if grammar_state.complete:
            self._finish("stop")
        elif known and len(self.ids) == self.budget:
            self._finish("length")
        return known

    def hold(self) -> None:
        """Do without this step: the last token is drawn, and read, once more."""
        self.positions -= 1

    def take(self, token: int) -> None:
        """Add the token that was drawn: tell what may be shown of it, and end where the answer ends."""
        if token in self.end_ids:
            self._finish("stop")
            return
        self.ids.append(token)
        if grammar_state := self.guarded:
            grammar_state.take(token)
        self._tell(self.detokenizer.add(token))
        if self.detokenizer.stopped:
            self._finish("stop")
        elif not grammar_state and len(self.ids) == self.budget:  # else it may be whole with this token
            self._finish("length")

    def _tell(self, delta: Delta | None) -> None:
        if delta is not None:
            self.session.emit(replace(delta, num_tokens=len(self.ids) - self._num_told))
            self._num_told = len(self.ids)

    def _finish(self, reason: FinishReason) -> None:
        self._tell(self.detokenizer.rest())
        usage = {
            "prompt_tokens": len(self.request.prompt),
            "cached_tokens": self.num_cached // TOLD_STEP * TOLD_STEP,
            "completion_tokens": len(self.ids),
        }
        self.session.finish(reason, usage=usage)
