"""The image engine: pictures of all requests step together, and are prepared and decoded beside that, one at a time."""

import queue
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from PIL.Image import Image

from qwen_engine.errors import EngineError
from qwen_engine.image.canvas import Canvas, CanvasKey
from qwen_engine.image.chores import Chore, Chores
from qwen_engine.image.family import Family
from qwen_engine.image.pace import Pace
from qwen_engine.image.qwen_image import QwenImageFamily
from qwen_engine.image.request import ImageRequest, Picture, Progress, Queued, ResolvedRequest
from qwen_engine.image.turns import Turns
from qwen_engine.loop import Model, Session, fail_alone, try_together
from qwen_engine.settings import ImageSettings

FAMILIES: dict[str, Callable[[ImageSettings], Family]] = {"qwen-image": QwenImageFamily}
CHORE_WAIT_S = 0.005  # without a row to step, for a chore to be done; a new request may have come meanwhile
MAX_DECODED_TOGETHER = 4  # pictures: the first waits for the last


@dataclass(eq=False)
class _Job:
    """One request on its way: `request` with nothing left open."""

    session: Session[ImageRequest]
    request: ResolvedRequest
    rows: list["_Row"] = field(default_factory=list)
    num_drawn: int = 0
    stepped: bool = False
    position: int | None = None  # the one it was told last


@dataclass(eq=False)
class _Row:
    """One picture of a job, under way since `begun_s`."""

    job: _Job
    picture: int
    canvas: Canvas
    begun_s: float | None = None

    @property
    def key(self) -> CanvasKey:
        return self.canvas.key

    @property
    def mixture(self) -> Hashable | None:
        return self.canvas.key.mixture

    @property
    def num_tokens(self) -> int:
        return self.canvas.num_tokens

    def eta_s(self) -> float | None:
        """At the pace that it had so far, pauses for others included."""
        if self.begun_s is None or not self.canvas.step:
            return None
        elapsed_s = time.monotonic() - self.begun_s
        return round(elapsed_s / self.canvas.step * (self.canvas.steps - self.canvas.step), 3)


def _fail(row: _Row, error: EngineError) -> None:
    row.job.session.fail(error)


class ImageEngine(Model[ImageRequest]):
    """A `Model` for the engine loop."""

    def __init__(self, settings: ImageSettings) -> None:
        torch.set_num_threads(settings.num_threads)
        self.max_batch = settings.max_requests
        self.family = FAMILIES[settings.family](settings)
        self._jobs: dict[Session[ImageRequest], _Job] = {}
        self._turns: Turns[_Row] = Turns(settings.max_step_tokens, settings.max_mixed_tokens)
        self._pace = Pace(settings.device)
        self._chores = Chores(beside=settings.offload != "model")
        self._unprepared: deque[_Job] = deque()
        self._prepared: queue.SimpleQueue[tuple[_Job, Sequence[Canvas]]] = queue.SimpleQueue()
        self._undecoded: deque[_Row] = deque()

    def check(self, request: ImageRequest) -> None:
        self.family.resolve(request)

    @torch.inference_mode()
    def step(self, sessions: Sequence[Session[ImageRequest]]) -> bool:
        for session in sessions:
            if session not in self._jobs:
                with fail_alone(session):
                    self._begin(session)
        self._chores.take_turn()
        self._start_prepared()
        stepped = self._denoise()
        self._tell_positions()
        return stepped or self._chores.wait(CHORE_WAIT_S)

    def retire(self, session: Session[ImageRequest]) -> None:
        job = self._jobs.pop(session, None)
        self._chores.drop(session)
        for row in job.rows if job else ():
            self._turns.remove(row)

    def _begin(self, session: Session[ImageRequest]) -> None:
        job = self._jobs[session] = _Job(session, self.family.resolve(session.request))
        self._unprepared.append(job)
        self._chores.add(Chore(session, self._prepare))

    def _prepare(self) -> None:
        """A chore, for whoever has come meanwhile: several prompts together take less time."""
        came = [self._unprepared.popleft() for _ in range(len(self._unprepared))]
        jobs = [job for job in came if not job.session.ended]
        with self.family.together([job.request for job in jobs]):
            for job in jobs:
                with fail_alone(job.session):
                    self._prepared.put((job, self.family.begin(job.request)))

    def _start_prepared(self) -> None:
        while not self._prepared.empty():
            self._start(*self._prepared.get_nowait())

    def _start(self, job: _Job, canvases: Sequence[Canvas]) -> None:
        if job.session not in self._jobs:  # it was cancelled meanwhile
            return
        job.rows = [_Row(job, picture, canvas) for picture, canvas in enumerate(canvases)]
        for row in job.rows:
            self._turns.add(row)

    def _denoise(self) -> bool:
        rows = self._turns.next()
        begun_s = time.monotonic()
        for row in rows:
            row.job.stepped = True
            row.begun_s = row.begun_s or begun_s
        if rows:
            try_together(rows, self._step_together, _fail)
            self._finish([row for row in rows if row.canvas.done])
        self._pace.launched()
        return bool(rows)

    def _step_together(self, rows: Sequence[_Row]) -> None:
        velocities = self.family.predict([row.canvas for row in rows])
        for row, velocity in zip(rows, velocities, strict=True):
            with fail_alone(row.job.session):
                self._advance(row, velocity)

    def _advance(self, row: _Row, velocity: torch.Tensor) -> None:
        canvas = row.canvas
        every = row.job.request.preview_every
        previews = every is not None and (canvas.step + 1) % every == 0 and canvas.step + 1 < canvas.steps
        preview = self.family.preview(canvas, velocity) if previews else None
        canvas.advance(velocity)
        row.job.session.emit(Progress(row.picture, canvas.step, canvas.steps, row.eta_s(), preview))

    def _finish(self, rows: Sequence[_Row]) -> None:
        """Have them decoded: first all are there, then the chores begin."""
        for row in rows:
            self._turns.remove(row)
        self._undecoded += rows
        for row in rows:
            self._chores.add(Chore(row.job.session, self._draw))

    def _draw(self) -> None:
        """A chore, for the next picture and those behind it that may be decoded with it."""
        if rows := self._next_undecoded():
            try_together(rows, self._decode, _fail)

    def _next_undecoded(self) -> list[_Row]:
        rows: list[_Row] = []
        while self._undecoded and len(rows) < MAX_DECODED_TOGETHER:
            row = self._undecoded.popleft()
            key = row.canvas.decode_key
            if rows and (key is None or key != rows[0].canvas.decode_key):
                self._undecoded.appendleft(row)
                break
            if not row.job.session.ended:
                rows.append(row)
        return rows

    def _decode(self, rows: Sequence[_Row]) -> None:
        images = self.family.decode([row.canvas for row in rows])
        for row, image in zip(rows, images, strict=True):
            with fail_alone(row.job.session):
                self._hand_over(row, image)

    def _hand_over(self, row: _Row, image: Image) -> None:
        job = row.job
        job.session.emit(Picture(row.picture, image, job.request, job.request.seed + row.picture))
        job.num_drawn += 1
        if job.num_drawn == job.request.num_images:
            job.session.finish("stop")

    def _tell_positions(self) -> None:
        """To those that wait, whenever it changes: how many others will be begun before them."""
        waiting = [job for job in self._jobs.values() if not job.stepped and not job.session.ended]
        for position, job in enumerate(waiting):
            if job.position != position:
                job.position = position
                job.session.emit(Queued(position))
