"""The continuous batch of one chat model: answers join and leave between any two tokens.

A step gives every row its next token:

    advance   every row reads its last token
    start     prompts are read into free rows, but for beginnings that were read before
    draw      every row gets its next token, or its end
"""

from collections import deque
from collections.abc import Sequence
from itertools import groupby
from typing import TypeAlias

import torch

from qwen_engine.chat.checkpoint import ChatCheckpoint
from qwen_engine.chat.grammar import Masks
from qwen_engine.chat.prefixes import BLOCK, PrefixCache
from qwen_engine.chat.request import ChatRequest
from qwen_engine.chat.row import Row
from qwen_engine.chat.text import Writing
from qwen_engine.graphs import Capture, cuda_capture, sent
from qwen_engine.language_graphs import GraphedLanguageModel
from qwen_engine.language_model import Change, LanguageModel
from qwen_engine.loop import Session, fail_alone, try_together
from qwen_engine.sampling import RowSampler, Uniforms
from qwen_engine.settings import ChatSettings

Fresh: TypeAlias = tuple[Session[ChatRequest], list[int]]
"""Who waits to begin, and the kept blocks that its prompt begins with."""


class ChatBatch:
    """Owns the rows of a checkpoint's language model. `capture`: how graphs are made; None: the device's way."""

    def __init__(self, checkpoint: ChatCheckpoint, settings: ChatSettings, capture: Capture | None = None) -> None:
        self._checkpoint = checkpoint
        self._model: LanguageModel | GraphedLanguageModel = checkpoint.language_model
        if (capture := capture or cuda_capture(settings.device)) is not None:
            self._model = GraphedLanguageModel(checkpoint.language_model, num_slots=settings.max_batch, capture=capture)
        with torch.inference_mode():
            num_blocks = settings.max_cached_positions // BLOCK
            self._prefixes = PrefixCache(checkpoint.config.decoder, self._model.cache, num_blocks)
            self._masks = Masks(self._model.num_tokens, self._model.device)
        self._max_step_positions = settings.max_step_positions
        self._waiting: deque[Session[ChatRequest]] = deque()
        self._rows: list[Row] = []
        self._sampler: RowSampler | None = None

    def join(self, session: Session[ChatRequest]) -> None:
        """Have the request answered; its prompt is read with one of the next steps."""
        self._waiting.append(session)

    @torch.inference_mode()
    def leave(self, session: Session[ChatRequest]) -> None:
        """Give back what `session` held; what it has read is kept for the next turn of the conversation."""
        if session in self._waiting:
            self._waiting.remove(session)
        for row in [row for row in self._rows if row.session is session]:
            self._prefixes.keep(row.read, self._model.cache, self._rows.index(row))
            self._free(row)

    @torch.inference_mode()
    def step(self) -> None:
        """The next token of every row."""
        self._advance()
        self._start()
        if self._rows:
            self._draw()

    def _advance(self) -> None:
        if self._rows:
            self._model.advance([row.positions for row in self._rows])
            for row in self._rows:
                row.positions += 1

    def _start(self) -> None:
        """Begin with those that wait, as many as a step may read, and with one at least."""
        fresh: list[Fresh] = []
        num_positions = 0
        while self._waiting:
            prompt = self._waiting[0].request.prompt
            blocks = self._prefixes.find(prompt)
            num_positions += len(prompt) - len(blocks) * BLOCK
            if fresh and num_positions > self._max_step_positions:
                break
            fresh.append((self._waiting.popleft(), blocks))
        if fresh:
            self._begin(fresh)

    def _row(self, session: Session[ChatRequest]) -> Row:
        request = session.request
        return Row(
            session=session,
            writing=Writing(self._checkpoint.tokens, request.stop, request.thinking),
            budget=min(request.max_tokens, self._model.length - len(request.prompt)),
            uniforms=Uniforms(request.seed, 1) if request.sampling.temperature else None,
            guard=request.grammar.begin() if request.grammar else None,
        )

    def _begin(self, fresh: Sequence[Fresh]) -> None:
        """Give each a row, those with equally long kept beginnings together."""
        first_row = len(self._rows)
        ordered = sorted(fresh, key=lambda one: (len(one[1]), len(one[0].request.prompt)))
        for _, group in groupby(ordered, key=lambda one: len(one[1])):
            try_together(list(group), self._read, lambda one, error: one[0].fail(error))
        for slot, row in enumerate(self._rows[first_row:], start=first_row):  # last, as it may push out what was found
            self._prefixes.keep(row.request.prompt, self._model.cache, slot)
        self._sampler = None

    def _read(self, fresh: Sequence[Fresh]) -> None:
        """Fill the next slots: copy what is kept of each prompt, then read what follows."""
        rows = [self._row(session) for session, _ in fresh]
        for slot, (row, (_, blocks)) in enumerate(zip(rows, fresh, strict=True), start=len(self._rows)):
            row.num_cached = self._prefixes.restore(blocks, self._model.cache, slot)
            row.positions = len(row.request.prompt)
        self._model.prefill([self._model.embed(row.unread) for row in rows], len(self._rows), rows[0].num_cached)
        self._rows += rows

    def _draw(self) -> None:
        for row, token in zip(list(self._rows), self._drawn(), strict=True):
            with fail_alone(row.session):
                row.take(token, self._checkpoint.config.eos_ids)

    def _drawn(self) -> list[int]:
        """The next token of every row."""
        if self._sampler is None:
            self._sampler = self._model.sampler([row.request.sampling for row in self._rows])
        change = self._change(self._sampler)
        uniforms = sent(torch.tensor([row.uniform() for row in self._rows]), self._model.device)
        tokens: list[int] = self._model.draw(self._sampler, uniforms, change=change).tolist()
        return tokens

    def _change(self, sampler: RowSampler) -> Change | None:
        """What the rows' penalties and grammars do to their logits; None: nothing, so the step may be a graph's."""
        guarded = {index: guard for index, row in enumerate(self._rows) if (guard := row.guarded)}
        if not guarded and not sampler.penalises:
            return None
        words = self._masks.words(len(guarded))
        for number, (index, guard) in enumerate(guarded.items()):
            with fail_alone(self._rows[index].session):
                guard.allow(words, number)

        def change(logits: torch.Tensor) -> torch.Tensor:
            logits = sampler.discourage(logits, [row.counts for row in self._rows])
            return self._masks.apply(logits, list(guarded), words)

        return change

    def _free(self, row: Row) -> None:
        """Give the row back; the last row takes its place."""
        index, last = self._rows.index(row), self._rows.pop()
        if last is not row:
            self._model.move(len(self._rows), index, last.positions)
            self._rows[index] = last
        self._sampler = None
