"""The vision engine: one continuous batch, which requests join and leave between any two tokens.

A step gives every row its next token:

    step      every row reads its last token
    begin     new prompts with their pictures are prefilled, those of one shape together
    draw      every row gets its next token, or its end
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from qwen_engine.loop import Model
from qwen_engine.prompt_tokenizer import HALF_CHARACTER
from qwen_engine.sampling import Sampling, Uniforms
from qwen_engine.session import Session, try_together
from qwen_engine.vision.checkpoint import VisionCheckpoint
from qwen_engine.vision.request import Description, VisionRequest
from qwen_engine.vision.rows import RowCache
from qwen_engine.vision.settings import VisionSettings
from qwen_wire.errors import InvalidRequest
from qwen_wire.messages import FinishReason


@dataclass(eq=False)
class _Row:
    """A live request."""

    session: Session[VisionRequest]
    prompt: Sequence[int]
    uniforms: Uniforms
    ids: list[int] = field(default_factory=list)

    @property
    def request(self) -> VisionRequest:
        return self.session.request


class VisionEngine(Model[VisionRequest]):
    """A `Model` for the engine loop."""

    def __init__(self, settings: VisionSettings) -> None:
        torch.set_num_threads(settings.num_threads)
        self.max_sessions = settings.max_batch
        self.checkpoint = VisionCheckpoint(settings)
        self._max_positions = min(settings.max_positions, self.checkpoint.max_positions)
        self._max_step_positions = settings.max_step_positions
        self._rows: list[_Row] = []
        self._cache = RowCache()

    def prepare(self, request: VisionRequest) -> VisionRequest:
        prompt = self.checkpoint.prompts.ids([turn.prompt for turn in request.turns])
        num_positions = len(prompt) + request.max_new_tokens
        if num_positions > self._max_positions:
            shown = ", ".join(str(view.num_tokens) for view in request.views)
            raise InvalidRequest(
                f"picture ({shown}), question and answer (OPTIONS.max_new_tokens: "
                f"{request.max_new_tokens}) take {num_positions} tokens; the limit is {self._max_positions}"
            )
        return replace(request, prompt=prompt)

    def step(self, sessions: Sequence[Session[VisionRequest]]) -> bool:
        self._drop_ended()
        logits = [self.checkpoint.step(self._cache, [row.ids[-1] for row in self._rows])] if self._rows else []
        begun = {row.session for row in self._rows}
        new = [_new_row(session) for session in sessions if session not in begun]
        for group in self._new_groups(new):
            logits += self._begin(group)
        if logits:
            self._draw(torch.cat(logits))
        return True

    def retire(self, session: Session[VisionRequest]) -> None:
        if all(row.session.ended for row in self._rows):
            self._drop_ended()

    def _drop_ended(self) -> None:
        """Drop the rows of ended sessions."""
        live = [index for index, row in enumerate(self._rows) if not row.session.ended]
        self._cache.select(live)
        self._rows = [self._rows[index] for index in live]

    def _new_groups(self, new: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
        """New rows of one shape together, in order of arrival, up to `max_step_positions`; one at least."""
        groups: dict[object, list[_Row]] = defaultdict(list)
        num_positions = 0
        for row in new:
            num_positions += len(row.prompt)
            if groups and num_positions > self._max_step_positions:
                break
            groups[self._shape(row)].append(row)
        yield from groups.values()

    def _shape(self, row: _Row) -> object:
        """Equal for prompts of one length, with pictures of the same grids at the same positions."""
        picture = self.checkpoint.prompts.picture
        places = tuple(place for place, token in enumerate(row.prompt) if token == picture)
        return len(row.prompt), places, tuple(view.grid for view in row.request.views)

    def _begin(self, rows: Sequence[_Row]) -> list[torch.Tensor]:
        """Prefill the rows; the logits of those that did not fail."""
        begun: list[torch.Tensor] = []

        def prefill(rows: Sequence[_Row]) -> None:
            views = [row.request.views for row in rows]
            logits, cache, next_position = self.checkpoint.prefill(views, [row.prompt for row in rows])
            self._cache.join(cache, next_position)
            self._rows += rows
            begun.append(logits)

        try_together(rows, prefill, lambda row, error: row.session.fail(error))
        return begun

    def _draw(self, logits: torch.Tensor) -> None:
        sampler = self.checkpoint.sampler([Sampling(row.request.temperature, top_k=0) for row in self._rows])
        uniforms = torch.tensor([row.uniforms.next()[0] for row in self._rows], device=logits.device)
        for row, token in zip(self._rows, sampler.draw(logits, uniforms).tolist(), strict=True):
            self._take(row, token)

    def _take(self, row: _Row, token: int) -> None:
        if token in self.checkpoint.end_ids:
            self._finish(row, "stop")
            return
        row.ids.append(token)
        if len(row.ids) == row.request.max_new_tokens:
            self._finish(row, "length")

    def _finish(self, row: _Row, reason: FinishReason) -> None:
        text = self.checkpoint.prompts.text(row.ids)
        if reason == "length":
            text = text.rstrip(HALF_CHARACTER).rstrip()
        row.session.emit(Description(row.request, text, len(row.prompt), len(row.ids)))
        row.session.finish(reason)


def _new_row(session: Session[VisionRequest]) -> _Row:
    return _Row(session, session.request.prompt, Uniforms(session.request.seed, 1))
