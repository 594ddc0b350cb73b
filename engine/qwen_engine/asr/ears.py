"""Sound becomes what the language model reads, on a thread of its own: meanwhile the model writes others down.

The encoder's windows are the unit of work, those of short pieces first: a second of speech that comes while half a
minute is being encoded waits for a part of that only.
"""

import itertools
import logging
import threading
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import torch

from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.request import Piece

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Hearing:
    """A piece of sound; its windows, None before the features are made; and those that are encoded."""

    piece: Piece
    windows: list[torch.Tensor] | None = None
    encoded: list[torch.Tensor] = field(default_factory=list)


class Ears:
    """Encodes pieces of sound, about `max_audio_s` of it at a time.

    Example:
        ears.listen([piece])
        while ears.wait(timeout_s=1.0):
            encoded, failed = ears.take()
    """

    def __init__(self, checkpoint: AsrCheckpoint, max_audio_s: float) -> None:
        self._checkpoint = checkpoint
        self._max_audio_s = max_audio_s
        self._max_windows = max(1, int(max_audio_s / checkpoint.window_s))
        self._pending: list[_Hearing] = []
        self._encoded: list[Piece] = []
        self._failed: list[Piece] = []
        self._changed = threading.Condition()
        self._working = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ears")

    @property
    def pieces(self) -> list[Piece]:
        """Those that were handed over and not taken back."""
        with self._changed:
            return [*(hearing.piece for hearing in self._pending), *self._encoded, *self._failed]

    def listen(self, pieces: Sequence[Piece]) -> None:
        """Have the samples of `pieces` encoded."""
        if not pieces:
            return
        with self._changed:
            self._pending += [_Hearing(piece) for piece in pieces]
            if not self._working:
                self._working = True
                self._thread.submit(self._work)

    def wait(self, timeout_s: float) -> bool:
        """Until there is something to take, for `timeout_s` at most; False where there is nothing to wait for."""
        with self._changed:
            self._changed.wait_for(lambda: self._encoded or self._failed or not self._pending, timeout_s)
            return bool(self._encoded or self._failed or self._pending)

    def wait_for_all(self, timeout_s: float) -> bool:
        """Until everything has been encoded; False where that took longer than `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout_s)

    def take(self) -> tuple[list[Piece], list[Piece]]:
        """What is done: pieces whose `audio` is encoded (tokens, hidden), and those whose sound could not be."""
        with self._changed:
            encoded, failed = self._encoded, self._failed
            self._encoded, self._failed = [], []
        return encoded, failed

    def drop(self, group: Hashable) -> None:
        """Forget all pieces of `group`."""
        with self._changed:
            self._pending = [hearing for hearing in self._pending if hearing.piece.group != group]
            self._encoded = [piece for piece in self._encoded if piece.group != group]
            self._failed = [piece for piece in self._failed if piece.group != group]

    @torch.inference_mode()
    def _work(self) -> None:
        while hearings := self._shortest():
            self._hear(hearings)

    def _shortest(self) -> list[_Hearing]:
        """Those to go on with; none: there is nothing left to do."""
        with self._changed:
            by_length = sorted(self._pending, key=lambda hearing: hearing.piece.duration_s)
            ends_s = itertools.accumulate(hearing.piece.duration_s for hearing in by_length)
            num_fitting = sum(end_s <= self._max_audio_s for end_s in ends_s)
            self._working = bool(by_length)
            return by_length[: max(1, num_fitting)]

    def _hear(self, hearings: Sequence[_Hearing]) -> None:
        """Go on with `hearings`; what fails together is tried one by one, so that it fails alone."""
        try:
            self._encode(hearings)
        except Exception:
            log.exception("the sound of %d pieces could not be encoded", len(hearings))
            if len(hearings) == 1:
                self._close(hearings[0], self._failed, hearings[0].piece)
                return
            for hearing in hearings:
                self._hear([hearing])

    def _encode(self, hearings: Sequence[_Hearing]) -> None:
        """All windows of several pieces, or some of a single one."""
        encoder = self._checkpoint.encoder
        new = [hearing for hearing in hearings if hearing.windows is None]
        for hearing, features in zip(new, self._features(new), strict=True):
            hearing.windows = encoder.windows(features)
        chosen = [(hearing, window) for hearing in hearings for window in self._fitting(hearing)]
        for (hearing, _), tokens in zip(chosen, encoder([window for _, window in chosen]), strict=True):
            hearing.encoded.append(tokens)
        for hearing in hearings:
            if len(hearing.encoded) == len(hearing.windows or ()):
                piece = hearing.piece
                audio = torch.cat(hearing.encoded)
                self._close(hearing, self._encoded, replace(piece, audio=audio, budget=piece.token_budget))

    def _features(self, hearings: Sequence[_Hearing]) -> list[torch.Tensor]:
        return self._checkpoint.log_mel([hearing.piece.samples for hearing in hearings]) if hearings else []

    def _fitting(self, hearing: _Hearing) -> list[torch.Tensor]:
        """The next windows of a piece, about as many as go together."""
        done = len(hearing.encoded)
        return (hearing.windows or [])[done : done + self._max_windows]

    def _close(self, hearing: _Hearing, done: list[Piece], piece: Piece) -> None:
        with self._changed:
            if hearing in self._pending:  # else somebody has dropped it meanwhile
                self._pending.remove(hearing)
                done.append(piece)
            self._changed.notify_all()
