"""The audio encoder on a thread of its own, while the language model decodes.

The encoder's windows are the unit of work, those of short pieces first: a second of speech that comes while half a
minute is being encoded waits for a part of that only.
"""

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch

from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.request import Piece
from qwen_engine.asr.streaming_encoder import StreamingEncoderState
from qwen_engine.batch_worker import BatchWorker
from qwen_engine.session import try_together


@dataclass(eq=False)
class _Work:
    """A piece of audio; its windows, None before the features are made; and those that are encoded."""

    piece: Piece
    encoder_state: StreamingEncoderState
    windows: list[torch.Tensor] | None = None
    encoded: list[torch.Tensor] = field(default_factory=list)

    def finished(self) -> Piece | None:
        """The encoded piece; None: windows are left."""
        if len(self.encoded) < len(self.windows or ()):
            return None
        audio = self.encoder_state.take(self.encoded, len(self.piece.samples))
        return replace(self.piece, audio=audio, budget=self.piece.token_budget)


class EncoderWorker:
    """Encodes pieces of audio, about `max_audio_s` of it at a time.

    Example:
        worker.submit([piece])
        while worker.wait(timeout_s=1.0):
            encoded, failed = worker.take()
    """

    def __init__(self, checkpoint: AsrCheckpoint, max_audio_s: float) -> None:
        self._checkpoint = checkpoint
        self._max_audio_s = max_audio_s
        self._max_windows = max(1, int(max_audio_s / checkpoint.window_s))
        self._worker: BatchWorker[_Work] = BatchWorker(
            "encoder_worker", choose=self._shortest, work=self._encode, fail=lambda _: None
        )

    @property
    def pieces(self) -> list[Piece]:
        """Those submitted and not taken."""
        return [work.piece for work in self._worker.items]

    def submit(self, pieces: Sequence[Piece]) -> None:
        """Have the samples of `pieces` encoded."""
        new_state = partial(StreamingEncoderState, self._checkpoint.config)
        self._worker.submit([_Work(piece, piece.encoder_state or new_state()) for piece in pieces])

    def wait(self, timeout_s: float) -> bool:
        """Until there is something to take, for `timeout_s` at most; False: there is nothing to wait for."""
        return self._worker.wait(timeout_s)

    def take(self) -> tuple[list[Piece], list[Piece]]:
        """What is done: pieces whose `audio` is encoded (tokens, hidden), and those that could not be encoded."""
        pieces = [work.piece for work in self._worker.take()]
        return [piece for piece in pieces if piece.is_encoded], [piece for piece in pieces if not piece.is_encoded]

    def drop(self, group: Hashable) -> None:
        """Forget all pieces of `group`."""
        self._worker.drop(lambda work: work.piece.group == group)

    def _shortest(self, pending: Sequence[_Work]) -> list[_Work]:
        """The group to go on with."""
        by_length = sorted(pending, key=lambda work: work.piece.duration_s)
        ends_s = itertools.accumulate(work.piece.duration_s for work in by_length)
        num_fitting = sum(end_s <= self._max_audio_s for end_s in ends_s)
        return by_length[: max(1, num_fitting)]

    @torch.inference_mode()
    def _encode(self, group: Sequence[_Work]) -> list[_Work]:
        failed: list[_Work] = []
        try_together(group, self._encode_windows, lambda work, _: failed.append(work))
        return [*failed, *(work for work in group if work.piece.is_encoded)]

    def _encode_windows(self, group: Sequence[_Work]) -> None:
        """All windows of several pieces, or some of a single one."""
        self._make_windows([work for work in group if work.windows is None])
        some = [(work, window) for work in group for window in self._next_windows(work)]
        encoded = self._checkpoint.encoder([window for _, window in some])
        for (work, _), tokens in zip(some, encoded, strict=True):
            work.encoded.append(tokens)
        for work, piece in [(work, work.finished()) for work in group]:
            work.piece = piece or work.piece

    def _make_windows(self, new: Sequence[_Work]) -> None:
        if new:
            tails = [work.encoder_state.tail(work.piece.samples) for work in new]
            for work, powers in zip(new, self._checkpoint.log_mel.powers(tails), strict=True):
                work.windows = work.encoder_state.windows(powers)

    def _next_windows(self, work: _Work) -> list[torch.Tensor]:
        """About as many windows of a piece as go together."""
        num_done = len(work.encoded)
        return (work.windows or [])[num_done : num_done + self._max_windows]
