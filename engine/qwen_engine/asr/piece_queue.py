"""Pieces that wait for a row, in an order in which short recordings never wait for long ones."""

import itertools
import math
from collections import Counter, deque
from collections.abc import Hashable, Sequence

from qwen_engine.asr.request import Piece

PATIENCE_STEPS = 32
STEPS_BETWEEN = 8  # about as many as a second of speech takes
MUCH_SHORTER = 0.25
RESERVED_SHARE = 8  # one row in so many is reserved for groups that have none


class PieceQueue:
    """A queue for each group, and the rule by which pieces get rows.

    The group with the fewest rows comes first, then the shortest piece. While a much shorter piece is being
    decoded, a long one does not begin: encoding it would delay the other. After PATIENCE_STEPS it does, so that many
    short pieces do not starve the long ones, which then come one at a time.
    """

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._reserved = max_rows // RESERVED_SHARE
        self._groups: dict[Hashable, deque[Piece]] = {}
        self._since: dict[Hashable, int] = {}  # the step since which a group's first piece has waited
        self._step = 0
        self._overdue_step = -STEPS_BETWEEN  # the step at which an overdue piece last began

    def add(self, piece: Piece) -> None:
        if piece.group not in self._groups:
            self._groups[piece.group] = deque()
            self._since[piece.group] = self._step
        self._groups[piece.group].append(piece)

    def drop(self, group: Hashable) -> None:
        """Forget what `group` waits for."""
        self._groups.pop(group, None)
        self._since.pop(group, None)

    def take(self, running: list[Piece], max_audio_s: float) -> list[Piece]:
        """The pieces to begin in this step, the longest first: up to `max_audio_s` of audio, or one piece."""
        self._step += 1
        rows = Counter(piece.group for piece in running)
        shortest_s = min((piece.duration_s for piece in running), default=math.inf)
        taken: list[Piece] = []
        audio_s = 0.0
        while (group := self._next(rows, shortest_s)) is not None:
            piece = self._groups[group][0]
            audio_s += piece.duration_s
            if taken and audio_s > max_audio_s:
                break
            if self._is_overdue(group):
                self._overdue_step = self._step
            taken.append(self._pop(group))
            rows[group] += 1
            shortest_s = min(shortest_s, piece.duration_s)
        return sorted(taken, key=lambda piece: piece.duration_s, reverse=True)

    def _next(self, rows: Counter[Hashable], shortest_s: float) -> Hashable | None:
        num_free = self._max_rows - rows.total()
        if not num_free:
            return None
        ready = [
            group
            for group in self._groups
            if (not rows[group] or num_free > self._reserved) and not self._is_deferred(group, shortest_s)
        ]
        return min(ready, key=lambda group: self._rank(group, rows), default=None)

    def _rank(self, group: Hashable, rows: Counter[Hashable]) -> tuple[bool, int, float]:
        overdue = self._is_overdue(group) and not rows[group]
        return not overdue, rows[group], self._groups[group][0].duration_s

    def _is_deferred(self, group: Hashable, shortest_s: float) -> bool:
        return shortest_s < MUCH_SHORTER * self._groups[group][0].duration_s and not self._is_overdue(group)

    def _is_overdue(self, group: Hashable) -> bool:
        """Whether it has waited long enough to go before shorter ones. Only one in some steps is."""
        is_its_turn = self._step - self._overdue_step >= STEPS_BETWEEN
        return is_its_turn and self._step - self._since[group] > PATIENCE_STEPS

    def _pop(self, group: Hashable) -> Piece:
        piece = self._groups[group].popleft()
        self._since[group] = self._step
        if not self._groups[group]:
            self.drop(group)
        return piece


def first_much_shorter(durations_s: Sequence[float]) -> int:
    """The first index from which on all are much shorter than all before; 0: there is none."""
    shortest_before = list(itertools.accumulate(durations_s, min))
    longest_after = list(itertools.accumulate(reversed(durations_s), max))[::-1]
    pairs = enumerate(zip(shortest_before, longest_after[1:], strict=False), start=1)
    return next((index for index, (before, after) in pairs if after < MUCH_SHORTER * before), 0)
