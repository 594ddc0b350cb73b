"""The state of one answer in the batch."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from qwen_engine.chat.detokenizer import Delta, Detokenizer
from qwen_engine.chat.grammar import describe_error
from qwen_engine.chat.grammar_state import GrammarState, SchemaError
from qwen_engine.chat.penalties import PenaltySlot
from qwen_engine.chat.request import ChatRequest
from qwen_engine.sampling import Uniforms
from qwen_engine.session import Session
from qwen_wire.errors import InvalidRequest
from qwen_wire.messages import FinishReason

# The granularity of `cached_tokens`: exact counts would reveal other prompts of the tenant token by token.
REPORTED_STEP = 128
# The largest number below 1 would, by rounding, draw behind the last allowed token.
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
    penalty_slot: PenaltySlot | None = None
    _num_emitted: int = 0

    @property
    def request(self) -> ChatRequest:
        return self.session.request

    @property
    def unread(self) -> Sequence[int]:
        """The prompt without what was copied."""
        return self.request.prompt[self.num_cached :]

    @property
    def read(self) -> list[int]:
        """The tokens whose keys and values are in the slot."""
        return [*self.request.prompt, *self.ids][: self.positions]

    @property
    def last(self) -> int:
        """The last token of all so far."""
        return self.ids[-1] if self.ids else self.request.prompt[-1]

    @property
    def active_grammar(self) -> GrammarState | None:
        """The grammar of the next token; None: any token may come."""
        return self.grammar_state if self.detokenizer.answering else None

    @property
    def forbidden(self) -> Collection[int]:
        """The end tokens, before `min_tokens`. A grammar has its own end."""
        too_soon = self.active_grammar is None and len(self.ids) < self.request.min_tokens
        return self.end_ids if too_soon else ()

    def uniform(self) -> float:
        """The random number of the next draw."""
        return 0.0 if self.uniforms is None else min(float(self.uniforms.next()[0]), LARGEST_UNIFORM)

    def poll_mask(self) -> bool:
        """Whether the next token may be drawn now: the grammar's mask may be late, or end the answer."""
        if (grammar_state := self.active_grammar) is None:
            return True
        try:
            known = grammar_state.poll()
        except SchemaError as error:
            reason = describe_error(str(error))
            raise InvalidRequest(f"OPTIONS.json_schema cannot be followed: {reason}") from None
        if grammar_state.complete:
            self._finish("stop")
        elif known and len(self.ids) == self.budget:
            self._finish("length")
        return known

    def hold(self) -> None:
        """Skip this step: the last token is drawn, and read, once more."""
        self.positions -= 1

    def take(self, token: int) -> None:
        """Add the drawn token: emit the text that may be shown, and finish where the answer ends."""
        if token in self.end_ids:
            self._finish("stop")
            return
        self.ids.append(token)
        if grammar_state := self.active_grammar:
            grammar_state.take(token)
        self._emit(self.detokenizer.add(token))
        if self.detokenizer.stopped:
            self._finish("stop")
        elif not grammar_state and len(self.ids) == self.budget:  # else this token may complete the JSON
            self._finish("length")

    def _emit(self, delta: Delta | None) -> None:
        if delta is not None:
            self.session.emit(replace(delta, num_tokens=len(self.ids) - self._num_emitted))
            self._num_emitted = len(self.ids)

    def _finish(self, reason: FinishReason) -> None:
        self._emit(self.detokenizer.flush())
        usage = {
            "prompt_tokens": len(self.request.prompt),
            "cached_tokens": self.num_cached // REPORTED_STEP * REPORTED_STEP,
            "completion_tokens": len(self.ids),
        }
        seed = {} if self.request.sampling.is_greedy else {"seed": self.request.seed}
        self.session.finish(reason, usage=usage, **seed)
