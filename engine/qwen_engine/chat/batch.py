"""The continuous batch of one chat model: answers join and leave between any two tokens.

A step gives every row its next token:

    advance   every row reads its last token
    start     prompts are prefilled into free rows, without their cached prefixes; a long one is prefilled in parts,
              in the last slot, so that it does not delay the other rows
    draw      every row gets its next token, or its end
"""

import time
from collections import deque
from collections.abc import Collection, Sequence
from itertools import groupby
from typing import TypeAlias

import numpy as np
import torch

from qwen_engine.chat.checkpoint import ChatCheckpoint
from qwen_engine.chat.detokenizer import Detokenizer
from qwen_engine.chat.grammar_state import GrammarState, wait_for_any
from qwen_engine.chat.masks import Masks, only
from qwen_engine.chat.penalties import Penalties
from qwen_engine.chat.prefixes import BLOCK, PrefixCache
from qwen_engine.chat.request import ChatRequest
from qwen_engine.chat.row import Row
from qwen_engine.chat.settings import ChatSettings
from qwen_engine.graphs import Capture, cuda_capture, to_device
from qwen_engine.language_graphs import GraphedLanguageModel
from qwen_engine.language_model import Change, LanguageModel
from qwen_engine.row_table import RowTable
from qwen_engine.sampling import RowSampler, Uniforms
from qwen_engine.session import Session, fail_alone, try_together

NewPrompt: TypeAlias = tuple[Session[ChatRequest], list[int]]
"""A session without a row, and the cached blocks of its prompt."""

MASK_WAIT_S = 0.02  # of a step, for late masks of a schema
IDLE_MASK_WAIT_S = 0.25


class ChatBatch:
    """Owns the rows of a checkpoint's language model. `capture`: how graphs are made; None: as on the device."""

    def __init__(self, checkpoint: ChatCheckpoint, settings: ChatSettings, capture: Capture | None = None) -> None:
        self._checkpoint = checkpoint
        self._model: LanguageModel | GraphedLanguageModel = checkpoint.language_model
        if (capture := capture or cuda_capture(settings.device)) is not None:
            self._model = GraphedLanguageModel(checkpoint.language_model, num_slots=settings.max_batch, capture=capture)
        with torch.inference_mode():
            num_blocks = settings.max_cached_positions // BLOCK
            self._prefixes = PrefixCache(checkpoint.config.decoder, self._model.cache, num_blocks)
            self._masks = Masks(self._model.num_tokens, self._model.device)
            self._penalties = Penalties(settings.max_batch, self._model.num_tokens, self._model.device)
        self._max_step_positions = settings.max_step_positions
        self._waiting: deque[Session[ChatRequest]] = deque()
        self._grammar_states: dict[Session[ChatRequest], GrammarState] = {}
        self._rows: RowTable[Row] = RowTable(self._model.move)
        self._long_waiting: deque[Session[ChatRequest]] = deque()  # with long prompts, prefilled one at a time
        self._long: Row | None = None
        self._long_slot = settings.max_batch - 1  # free as long as one of the requests has no row
        self._sampler: RowSampler | None = None

    def join(self, session: Session[ChatRequest]) -> None:
        """Queue the request; its prompt is prefilled in one of the next steps."""
        if (grammar := session.request.grammar) is not None:
            self._grammar_states[session] = grammar.begin()
        self._waiting.append(session)

    @torch.inference_mode()
    def leave(self, session: Session[ChatRequest]) -> None:
        """Free what `session` held; its prefix is cached for the next turn of the conversation."""
        if (grammar_state := self._grammar_states.pop(session, None)) is not None:
            grammar_state.close()
        for waiting in (self._waiting, self._long_waiting):
            if session in waiting:
                waiting.remove(session)
        if self._long is not None and self._long.session is session:
            self._prefixes.store(session.tenant, self._long.read, self._model.cache, self._long_slot)
            self._long = None
        for row in [row for row in self._rows if row.session is session]:
            self._prefixes.store(session.tenant, row.read, self._model.cache, self._rows.index(row))
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
        """Prefill waiting prompts, up to `max_step_positions`; of a longer prompt, a part."""
        new: list[NewPrompt] = []
        num_positions = 0
        for session in list(self._waiting):
            blocks = self._prefixes.find(session.tenant, session.request.prompt)
            num_unread = len(session.request.prompt) - len(blocks) * BLOCK
            if num_unread > self._max_step_positions:
                self._waiting.remove(session)
                self._long_waiting.append(session)
                continue
            num_positions += num_unread
            if num_positions > self._max_step_positions:
                break
            self._waiting.remove(session)
            new.append((session, blocks))
        if new:
            self._begin(new)
        if self._long is None and self._long_waiting:
            self._long = self._start_long(self._long_waiting.popleft())
        if self._long is not None:
            self._prefill_part(self._long)

    def _start_long(self, session: Session[ChatRequest]) -> Row:
        """A row with the cached prefix of the prompt."""
        row = self._row(session)
        blocks = self._prefixes.find(session.tenant, session.request.prompt)
        row.num_cached = self._prefixes.restore(blocks, self._model.cache, self._long_slot)
        row.positions = row.num_cached
        return row

    def _prefill_part(self, row: Row) -> None:
        """Prefill the next part of a long prompt; after the last one the row joins the others."""
        with fail_alone(row.session):
            part = row.request.prompt[row.positions : row.positions + self._max_step_positions]
            self._model.prefill([self._model.embed(part)], self._long_slot, row.positions)
            row.positions += len(part)
            if row.positions == len(row.request.prompt):
                self._long = None
                if (slot := len(self._rows)) != self._long_slot:
                    self._model.move(self._long_slot, slot, row.positions)
                self._rows.append(row)
                self._prefilled(slot)

    def _row(self, session: Session[ChatRequest]) -> Row:
        request = session.request
        return Row(
            session=session,
            detokenizer=Detokenizer(self._checkpoint.tokens, request.stop, request.thinking),
            budget=min(request.max_tokens, self._model.length - len(request.prompt)),
            uniforms=None if request.sampling.is_greedy else Uniforms(request.seed, 1),
            grammar_state=self._grammar_states.get(session),
            end_ids=self._checkpoint.config.eos_ids | request.end_ids,
        )

    def _begin(self, new: Sequence[NewPrompt]) -> None:
        """Give each a row, those with equally long cached prefixes together."""
        first_row = len(self._rows)
        ordered = sorted(new, key=lambda one: (len(one[1]), len(one[0].request.prompt)))
        for _, group in groupby(ordered, key=lambda one: len(one[1])):
            try_together(list(group), self._prefill, lambda one, error: one[0].fail(error))
        self._prefilled(first_row)  # last, as it may evict blocks that were found

    def _prefilled(self, first_row: int) -> None:
        """Cache the prompts of the rows from `first_row` on, and open their penalty slots."""
        for slot, row in enumerate(self._rows[first_row:], start=first_row):
            self._prefixes.store(row.session.tenant, row.request.prompt, self._model.cache, slot)
            if row.request.sampling.penalises:
                row.penalty_slot = self._penalties.open(row.request.sampling, row.request.prompt)
        self._sampler = None

    def _prefill(self, new: Sequence[NewPrompt]) -> None:
        """Fill the next slots: copy the cached prefix of each prompt, then prefill the rest."""
        rows = [self._row(session) for session, _ in new]
        for slot, (row, (_, blocks)) in enumerate(zip(rows, new, strict=True), start=len(self._rows)):
            row.num_cached = self._prefixes.restore(blocks, self._model.cache, slot)
            row.positions = len(row.request.prompt)
        self._model.prefill([self._model.embed(row.unread) for row in rows], len(self._rows), rows[0].num_cached)
        self._rows += rows

    def _draw(self) -> None:
        held = self._held()
        tokens = self._draw_tokens(held)
        for index, (row, token) in enumerate(zip(list(self._rows), tokens, strict=True)):
            if index in held:
                row.hold()
            elif not row.session.ended:
                with fail_alone(row.session):
                    row.take(token)
        self._count(held, tokens)

    def _held(self) -> Collection[int]:
        """The rows that skip this step because their masks are late; a step waits for masks, longer where no other row
        is live."""
        began_s = time.monotonic()
        while late := self._rows_without_mask():
            others = len(late) < sum(not row.session.ended for row in self._rows)
            left_s = began_s + (MASK_WAIT_S if others else IDLE_MASK_WAIT_S) - time.monotonic()
            if left_s <= 0:
                break
            wait_for_any(
                [grammar_state for index in late if (grammar_state := self._rows[index].active_grammar)],
                left_s,
            )
        return late

    def _rows_without_mask(self) -> list[int]:
        late = []
        for index, row in enumerate(self._rows):
            if not row.session.ended:
                with fail_alone(row.session):
                    if not row.poll_mask():
                        late.append(index)
        return late

    def _draw_tokens(self, held: Collection[int]) -> list[int]:
        """The next token of every row; the last one of those `held`."""
        if self._sampler is None:
            self._sampler = self._model.sampler([row.request.sampling for row in self._rows])
        numbers = [0.0 if index in held else row.uniform() for index, row in enumerate(self._rows)]
        uniforms = to_device(torch.tensor(numbers), self._model.device)
        tokens: list[int] = self._model.draw(self._sampler, uniforms, change=self._change(held)).tolist()
        return tokens

    def _change(self, held: Collection[int]) -> Change | None:
        """Penalties and masks for the rows' logits; None: none, so the step may be a graph's."""
        slots = {index: row.penalty_slot for index, row in enumerate(self._rows) if row.penalty_slot is not None}
        forbidden = [(index, token) for index, row in enumerate(self._rows) for token in row.forbidden]
        masks = {
            index: mask for index, row in enumerate(self._rows) if (mask := self._mask(row, index in held)) is not None
        }
        if not slots and not forbidden and not masks:
            return None

        def change(logits: torch.Tensor) -> torch.Tensor:
            if slots:
                logits = self._penalties.apply(logits, list(slots), list(slots.values()))
            if forbidden:
                logits = self._masks.forbid(logits, forbidden)
            if masks:
                logits = self._masks.allow(logits, list(masks), list(masks.values()))
            return logits

        return change

    def _mask(self, row: Row, is_held: bool) -> np.ndarray | None:
        if is_held:
            return only(row.last, self._masks.num_words)
        return None if row.active_grammar is None else row.active_grammar.mask

    def _count(self, held: Collection[int], tokens: Sequence[int]) -> None:
        """Count the new tokens of rows with penalties."""
        written = [
            (row.penalty_slot, tokens[index])
            for index, row in enumerate(self._rows)
            if row.penalty_slot is not None and index not in held
        ]
        if written:
            slots, drawn = zip(*written, strict=True)
            self._penalties.count(slots, drawn)

    def _free(self, row: Row) -> None:
        if row.penalty_slot is not None:
            self._penalties.close(row.penalty_slot)
        self._rows.remove(row)
        self._sampler = None
