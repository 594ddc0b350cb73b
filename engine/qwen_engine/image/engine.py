"""The image engine: pictures of all requests share denoising steps; encoding and decoding run in the background."""

import queue
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from PIL.Image import Image

from qwen_engine.image.background_tasks import BackgroundTask, BackgroundTasks
from qwen_engine.image.denoising_state import DenoisingKey, DenoisingState
from qwen_engine.image.family import Family
from qwen_engine.image.pace import Pace
from qwen_engine.image.qwen_image import QwenImageFamily
from qwen_engine.image.request import ImageRequest, Picture, Progress, ResolvedRequest
from qwen_engine.image.settings import ImageSettings
from qwen_engine.image.step_scheduler import StepScheduler
from qwen_engine.loop import Model
from qwen_engine.seeds import following_seed
from qwen_engine.session import Session, fail_alone, try_together
from qwen_wire.errors import QwenError, Unavailable
from qwen_wire.pictures import Queued

FAMILIES: dict[str, Callable[[ImageSettings], Family]] = {"qwen-image": QwenImageFamily}
TASK_WAIT_S = 0.005  # for a background task, without a row to step; a new request may have come meanwhile
MAX_DECODED_TOGETHER = 4  # pictures: the first one waits for the last


@dataclass(eq=False)
class _Job:
    """One live request."""

    session: Session[ImageRequest]
    request: ResolvedRequest
    rows: list["_Row"] = field(default_factory=list)
    num_finished: int = 0
    stepped: bool = False
    position: int | None = None  # the last one emitted


@dataclass(eq=False)
class _Row:
    """One picture of a job; its first step was at `begun_s`."""

    job: _Job
    picture: int
    state: DenoisingState
    begun_s: float | None = None

    @property
    def key(self) -> DenoisingKey:
        return self.state.key

    @property
    def padding_key(self) -> Hashable | None:
        return self.state.key.padding_key

    @property
    def num_tokens(self) -> int:
        return self.state.num_tokens

    def eta_s(self) -> float | None:
        """At its mean pace so far, steps of other pictures included."""
        if self.begun_s is None or not self.state.step:
            return None
        elapsed_s = time.monotonic() - self.begun_s
        return round(elapsed_s / self.state.step * (self.state.steps - self.state.step), 3)


def _fail(row: _Row, error: QwenError) -> None:
    row.job.session.fail(error)


class ImageEngine(Model[ImageRequest]):
    """A `Model` for the engine loop."""

    def __init__(self, settings: ImageSettings) -> None:
        torch.set_num_threads(settings.num_threads)
        self.max_sessions = settings.max_requests
        self._settings = settings
        self.family = FAMILIES[settings.family](settings)
        self._jobs: dict[Session[ImageRequest], _Job] = {}
        self._scheduler: StepScheduler[_Row] = StepScheduler(settings.max_step_tokens, settings.max_mixed_tokens)
        self._pace = Pace(settings.device)
        self._background = BackgroundTasks(beside=settings.offload != "model")
        self._unprepared: deque[_Job] = deque()
        self._prepared: queue.SimpleQueue[tuple[_Job, Sequence[DenoisingState]]] = queue.SimpleQueue()
        self._undecoded: deque[_Row] = deque()

    def prepare(self, request: ImageRequest) -> ImageRequest:
        return self.family.resolve(request)

    def check_load(self, accepted: Sequence[Session[ImageRequest]], session: Session[ImageRequest]) -> None:
        tenant, limit = session.tenant, self._settings.max_held_pixels
        own = [one for one in accepted if one.tenant == tenant]
        for held, allowed in ((accepted, limit), (own, int(limit * self._settings.tenants.share(tenant)))):
            num_held, num_new = sum(one.request.num_held_pixels for one in held), session.request.num_held_pixels
            if num_held and num_new and num_held + num_new > allowed:
                raise Unavailable(
                    f"pictures of {num_held} pixels are being worked on, and the limit is {allowed}; try again later"
                )

    @torch.inference_mode()
    def step(self, sessions: Sequence[Session[ImageRequest]]) -> bool:
        new = [session for session in sessions if session not in self._jobs]
        for session in new:
            with fail_alone(session):
                self._begin(session)
        if new:
            self._emit_positions()  # before the first step: every request gets its position first
        self._background.run_one()
        self._start_prepared()
        stepped = self._denoise()
        self._emit_positions()
        return stepped or self._background.wait(TASK_WAIT_S)

    def retire(self, session: Session[ImageRequest]) -> None:
        job = self._jobs.pop(session, None)
        self._background.drop(session)
        if job is not None:
            for row in job.rows:
                self._scheduler.remove(row)
            job.rows = []  # a row refers to its job: the cycle would wait for the garbage collector

    def _begin(self, session: Session[ImageRequest]) -> None:
        assert isinstance(session.request, ResolvedRequest)  # `prepare` made it
        job = self._jobs[session] = _Job(session, session.request)
        self._unprepared.append(job)
        self._background.submit(BackgroundTask(session, self._prepare))

    def _prepare(self) -> None:
        """A background task, for all new jobs: several prompts together take less time."""
        came = [self._unprepared.popleft() for _ in range(len(self._unprepared))]
        jobs = [job for job in came if not job.session.ended]
        with self.family.together([job.request for job in jobs]):
            for job in jobs:
                with fail_alone(job.session):
                    self._prepared.put((job, self.family.begin(job.request)))

    def _start_prepared(self) -> None:
        while not self._prepared.empty():
            self._start(*self._prepared.get_nowait())

    def _start(self, job: _Job, states: Sequence[DenoisingState]) -> None:
        if job.session not in self._jobs:  # it was cancelled meanwhile
            return
        job.rows = [_Row(job, picture, state) for picture, state in enumerate(states)]
        for row in job.rows:
            self._scheduler.add(row)

    def _denoise(self) -> bool:
        rows = self._scheduler.next()
        begun_s = time.monotonic()
        for row in rows:
            row.job.stepped = True
            row.begun_s = row.begun_s or begun_s
        if rows:
            try_together(rows, self._step_together, _fail)
            self._finish([row for row in rows if row.state.done])
        self._pace.launched()
        return bool(rows)

    def _step_together(self, rows: Sequence[_Row]) -> None:
        velocities = self.family.predict([row.state for row in rows])
        for row, velocity in zip(rows, velocities, strict=True):
            with fail_alone(row.job.session):
                self._advance(row, velocity)

    def _advance(self, row: _Row, velocity: torch.Tensor) -> None:
        state = row.state
        every = row.job.request.preview_every
        previews = every is not None and (state.step + 1) % every == 0 and state.step + 1 < state.steps
        preview = self.family.preview(state, velocity) if previews else None
        state.advance(velocity)
        row.job.session.emit(Progress(row.picture, state.step, state.steps, row.eta_s(), preview))

    def _finish(self, rows: Sequence[_Row]) -> None:
        """Queue them for decoding, all before the first background task begins."""
        for row in rows:
            self._scheduler.remove(row)
        self._undecoded += rows
        for row in rows:
            self._background.submit(BackgroundTask(row.job.session, self._decode_next))

    def _decode_next(self) -> None:
        """A background task, for the next picture and those after it that may be decoded with it."""
        if rows := self._next_undecoded():
            try_together(rows, self._decode, _fail)

    def _next_undecoded(self) -> list[_Row]:
        rows: list[_Row] = []
        while self._undecoded and len(rows) < MAX_DECODED_TOGETHER:
            row = self._undecoded.popleft()
            key = row.state.decode_key
            if rows and (key is None or key != rows[0].state.decode_key):
                self._undecoded.appendleft(row)
                break
            if not row.job.session.ended:
                rows.append(row)
        return rows

    def _decode(self, rows: Sequence[_Row]) -> None:
        images = self.family.decode([row.state for row in rows])
        for row, image in zip(rows, images, strict=True):
            with fail_alone(row.job.session):
                self._deliver(row, image)

    def _deliver(self, row: _Row, image: Image) -> None:
        job = row.job
        job.session.emit(Picture(row.picture, image, job.request, following_seed(job.request.seed, row.picture)))
        job.num_finished += 1
        if job.num_finished == job.request.num_images:
            heard = job.request.heard
            job.session.finish("stop", **({} if heard is None else {"heard": heard}))

    def _emit_positions(self) -> None:
        """Emit the number of jobs before each waiting one, whenever it changes."""
        waiting = [job for job in self._jobs.values() if not job.stepped and not job.session.ended]
        for position, job in enumerate(waiting):
            if job.position != position:
                job.position = position
                job.session.emit(Queued(position=position))
