"""Sound becomes what the language model reads, on a thread of its own: meanwhile the model writes others down.

The encoder's windows are the unit of work, those of short pieces first: a second of speech that comes while half a
minute is being encoded waits for a part of that only.
"""

import itertools
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import torch

from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.request import Piece
from qwen_engine.asr.streaming_encoder import StreamingEncoderState
from qwen_engine.loop import try_together
from qwen_engine.worker_thread import Worker


@dataclass(eq=False)
class _Work:
    """A piece of sound; its windows, None before the features are made; and those that are encoded."""

    piece: Piece
    encoder_state: StreamingEncoderState
    windows: list[torch.Tensor] | None = None
    encoded: list[torch.Tensor] = field(default_factory=list)


class EncoderWorker:
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
        self._pending: list[_Work] = []
        self._encoded: list[Piece] = []
        self._failed: list[Piece] = []
        self._changed = threading.Condition()
        self._worker = Worker("encoder_worker", self._encode_next, fail=self._fail_all)

    @property
    def pieces(self) -> list[Piece]:
        """Those that were handed over and not taken back."""
        with self._changed:
            return [*(work.piece for work in self._pending), *self._encoded, *self._failed]

    def listen(self, pieces: Sequence[Piece]) -> None:
        """Have the samples of `pieces` encoded."""
        if not pieces:
            return
        with self._changed:
            self._pending += [
                _Work(piece, piece.encoder_state or StreamingEncoderState(self._checkpoint.config)) for piece in pieces
            ]
        self._worker.wake()

    def wait(self, timeout_s: float) -> bool:
        """Until there is something to take, for `timeout_s` at most; False where there is nothing to wait for."""
        with self._changed:
            self._changed.wait_for(lambda: self._encoded or self._failed or not self._pending, timeout_s)
            return bool(self._encoded or self._failed or self._pending)

    def take(self) -> tuple[list[Piece], list[Piece]]:
        """What is done: pieces whose `audio` is encoded (tokens, hidden), and those whose sound could not be."""
        with self._changed:
            encoded, failed = self._encoded, self._failed
            self._encoded, self._failed = [], []
        return encoded, failed

    def drop(self, group: Hashable) -> None:
        """Forget all pieces of `group`."""
        with self._changed:
            self._pending = [work for work in self._pending if work.piece.group != group]
            self._encoded = [piece for piece in self._encoded if piece.group != group]
            self._failed = [piece for piece in self._failed if piece.group != group]

    @torch.inference_mode()
    def _encode_next(self) -> bool:
        if chosen := self._shortest():
            try_together(chosen, self._encode, lambda work, _: self._close(work, None))
        return bool(chosen)

    def _fail_all(self) -> None:
        with self._changed:
            self._failed += [work.piece for work in self._pending]
            self._pending.clear()
            self._changed.notify_all()

    def _shortest(self) -> list[_Work]:
        """Those to go on with; none: there is nothing left to do."""
        with self._changed:
            by_length = sorted(self._pending, key=lambda work: work.piece.duration_s)
            ends_s = itertools.accumulate(work.piece.duration_s for work in by_length)
            num_fitting = sum(end_s <= self._max_audio_s for end_s in ends_s)
            return by_length[: max(1, num_fitting)]

    def _encode(self, chosen: Sequence[_Work]) -> None:
        """All windows of several pieces, or some of a single one."""
        self._measure([work for work in chosen if work.windows is None])
        some = [(work, window) for work in chosen for window in self._fitting(work)]
        encoded = self._checkpoint.encoder([window for _, window in some])
        for (work, _), tokens in zip(some, encoded, strict=True):
            work.encoded.append(tokens)
        for work in chosen:
            if len(work.encoded) == len(work.windows or ()):
                piece = work.piece
                audio = work.encoder_state.take(work.encoded, len(piece.samples))
                self._close(work, replace(piece, audio=audio, budget=piece.token_budget))

    def _measure(self, new: Sequence[_Work]) -> None:
        """Make the features of what has to be heard."""
        if new:
            tails = [work.encoder_state.tail(work.piece.samples) for work in new]
            for work, powers in zip(new, self._checkpoint.log_mel.powers(tails), strict=True):
                work.windows = work.encoder_state.windows(powers)

    def _fitting(self, work: _Work) -> list[torch.Tensor]:
        """The next windows of a piece, about as many as go together."""
        done = len(work.encoded)
        return (work.windows or [])[done : done + self._max_windows]

    def _close(self, work: _Work, encoded: Piece | None) -> None:
        """Give `work` back, `encoded` or failed."""
        with self._changed:
            if work in self._pending:  # else somebody has dropped it meanwhile
                self._pending.remove(work)
                if encoded is None:
                    self._failed.append(work.piece)
                else:
                    self._encoded.append(encoded)
            self._changed.notify_all()
