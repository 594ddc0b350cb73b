"""The continuous batch of one recogniser: pieces join and leave between any two tokens.

A step gives every row its next token:

    advance   every row reads its last token
    start     new pieces go to the encoder; prompts with pieces that are encoded are prefilled into free rows
    draw      every row gets its next token, or its end

Where a step takes longer with more rows (without graphs, on a CPU), short pieces that came last are decoded alone for a
while: rows of much longer ones pause.
"""

import logging
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import torch

from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.encoder_worker import EncoderWorker
from qwen_engine.asr.piece_queue import PATIENCE_STEPS, PieceQueue, first_much_shorter
from qwen_engine.asr.repetition import repair_repetitions
from qwen_engine.asr.request import MIN_TOKENS, Piece, PieceResult
from qwen_engine.asr.settings import RecogniserSettings
from qwen_engine.graphs import Capture, cuda_capture, to_device
from qwen_engine.language_graphs import GraphedLanguageModel
from qwen_engine.language_model import LanguageModel
from qwen_engine.prompt_tokenizer import HALF_CHARACTER
from qwen_engine.row_table import RowTable
from qwen_engine.sampling import RowSampler, Uniforms
from qwen_engine.session import try_together
from qwen_wire.errors import InvalidRequest, ServerError
from qwen_wire.messages import FinishReason

log = logging.getLogger(__name__)

PAUSES_A_STEP = 4  # of a long row whose patience has ended
POLL_S = 0.005  # how long a step without rows waits for the encoder; a new request may have come meanwhile


@dataclass(eq=False)
class _Row:
    """A piece that is being transcribed; `positions` of its slot are filled."""

    piece: Piece
    positions: int
    budget: int
    uniforms: Uniforms | None
    ids: list[int] = field(default_factory=list)
    first_token_s: float = 0.0

    def uniform(self) -> float:
        return 0.0 if self.uniforms is None else float(self.uniforms.next()[0])


class AsrBatch:
    """Owns the rows of a checkpoint's language model. `capture`: how graphs are made, where not as the device does it.

    Example:
        batch.add(Piece(samples, group="me", on_result=print, on_error=print))
        while batch.step():
            pass
    """

    def __init__(self, checkpoint: AsrCheckpoint, settings: RecogniserSettings, capture: Capture | None = None) -> None:
        self._checkpoint = checkpoint
        self._model: LanguageModel | GraphedLanguageModel = checkpoint.language_model
        if (capture := capture or cuda_capture(settings.device)) is not None:
            self._model = GraphedLanguageModel(checkpoint.language_model, num_slots=settings.max_batch, capture=capture)
        self._pauses = capture is None
        self._num_paused = 0
        self._max_step_audio_s = settings.max_step_audio_s
        self._encoder_worker = EncoderWorker(checkpoint, settings.max_step_audio_s)
        self._waiting = PieceQueue(settings.max_batch)
        self._rows: RowTable[_Row] = RowTable(self._model.move)
        self._sampler: tuple[int, RowSampler] | None = None

    def add(self, piece: Piece) -> None:
        """Queue `piece` for transcription."""
        self._waiting.add(piece)

    @torch.inference_mode()
    def drop(self, group: Hashable) -> None:
        """Forget all pieces of `group`, without a callback."""
        self._waiting.drop(group)
        self._encoder_worker.drop(group)
        for row in [row for row in self._rows if row.piece.group == group]:
            self._free(row)

    @torch.inference_mode()
    def step(self) -> bool:
        """The next token of every row, or of the last ones; False: there is nothing to transcribe."""
        first_row = self._first_row()
        self._advance(first_row)
        self._start()
        if not self._rows:
            return self._encoder_worker.wait(POLL_S)
        self._draw(first_row)
        return True

    def _first_row(self) -> int:
        """The first row to advance. Those before it pause; after a while they get every fifth step."""
        first_row = first_much_shorter([row.piece.duration_s for row in self._rows]) if self._pauses else 0
        if not first_row or self._num_paused >= PATIENCE_STEPS:
            self._num_paused = max(0, self._num_paused - PAUSES_A_STEP)
            return 0
        self._num_paused += 1
        return first_row

    def _advance(self, first_row: int) -> None:
        if rows := self._rows[first_row:]:
            self._model.advance([row.positions for row in rows], first_row)
            for row in rows:
                row.positions += 1

    def _start(self) -> None:
        begun = [row.piece for row in self._rows] + self._encoder_worker.pieces
        taken = self._waiting.take(begun, self._max_step_audio_s)
        self._encoder_worker.submit([piece for piece in taken if not piece.is_encoded])
        encoded, failed = self._encoder_worker.take()
        for piece in failed:
            piece.on_error(ServerError())
        if ready := [piece for piece in taken if piece.is_encoded] + encoded:
            try_together(ready, self._prefill, lambda piece, error: piece.on_error(error))

    def _prefill(self, pieces: Sequence[Piece]) -> None:
        """Give each piece a row."""
        prompts = [self._prompt(piece) for piece in pieces]
        rows = [self._row(piece, len(prompt)) for piece, prompt in zip(pieces, prompts, strict=True)]
        self._model.prefill(prompts, len(self._rows))
        self._rows += rows
        self._sampler = None

    def _prompt(self, piece: Piece) -> torch.Tensor:
        """(positions, hidden)."""
        prompt = self._checkpoint.prompts.build(context=piece.context, language=piece.language, prefix=piece.prefix)
        return torch.cat((self._model.embed(prompt.before), piece.encoded, self._model.embed(prompt.after)))

    def _row(self, piece: Piece, num_positions: int) -> _Row:
        longest = self._model.length - num_positions
        if longest < MIN_TOKENS:
            length = self._model.length
            raise InvalidRequest(f"context and sound take {num_positions} of {length} positions: too little is left")
        uniforms = None if piece.sampling.is_greedy else Uniforms(piece.seed, 1)
        return _Row(piece, num_positions, min(piece.token_budget, longest), uniforms)

    def _draw(self, first_row: int) -> None:
        rows = self._rows[first_row:]
        if self._sampler is None or self._sampler[0] != first_row:
            self._sampler = first_row, self._model.sampler([row.piece.sampling for row in rows])
        uniforms = to_device(torch.tensor([row.uniform() for row in rows]), self._model.device)
        tokens = self._model.draw(self._sampler[1], uniforms, first_row).tolist()
        now_s = time.monotonic()
        for row, token in zip(rows, tokens, strict=True):
            row.first_token_s = row.first_token_s or now_s
            self._take(row, token)

    def _take(self, row: _Row, token: int) -> None:
        if token in self._checkpoint.config.eos_ids:
            self._finish(row, "stop")
            return
        row.ids.append(token)
        if len(row.ids) == row.budget:
            self._finish(row, "length")

    def _finish(self, row: _Row, reason: FinishReason) -> None:
        self._free(row)
        piece = row.piece
        forced = piece.language is not None
        language, text = self._checkpoint.prompts.parse((*piece.prefix, *row.ids), forced=forced)
        language = piece.language or language
        if reason == "length":
            text = text.rstrip(HALF_CHARACTER).rstrip()
        piece.on_result(PieceResult(tuple(row.ids), repair_repetitions(text), language, reason, row.first_token_s))

    def _free(self, row: _Row) -> None:
        self._rows.remove(row)
        self._sampler = None
