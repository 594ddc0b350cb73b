"""Pictures drawn by the server at `client`, all of them at once, and when their steps and previews came."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from perf.image.pictures import Wanted
from qwen_client import AsyncClient
from qwen_client.pictures import Progress


@dataclass
class Drawn:
    """Times of one request on one clock; `steps_s`: when the client heard of each step."""

    sent_s: float
    steps_s: list[float] = field(default_factory=list)
    first_preview_s: float | None = None
    complete_s: float = 0.0
    image: Image.Image | None = None

    @property
    def latency_s(self) -> float:
        return self.complete_s - self.sent_s

    @property
    def step_s(self) -> float:
        """The median of the times between steps, other requests' share of them included."""
        return statistics.median(end - begin for begin, end in itertools.pairwise(self.steps_s))

    @property
    def preview_steps(self) -> float | None:
        """The time to the first preview, in such steps; None: no preview came."""
        if self.first_preview_s is None:
            return None
        return (self.first_preview_s - self.sent_s) / self.step_s


async def draw(client: AsyncClient, wanted: Wanted, preview_every: int | None = None) -> Drawn:
    """With the profile's guidance."""
    drawn = Drawn(time.perf_counter())

    def on_progress(progress: Progress) -> None:
        drawn.steps_s.append(time.perf_counter())
        if drawn.first_preview_s is None and progress.preview_jpeg is not None:
            drawn.first_preview_s = drawn.steps_s[-1]

    picture = await client.image.generate(
        wanted.prompt,
        size=wanted.side_px,
        steps=wanted.steps,
        seed=wanted.seed,
        preview_every=preview_every,
        on_progress=on_progress,
    )
    drawn.complete_s = time.perf_counter()
    drawn.image = picture.image.convert("RGB")
    return drawn


async def all_at_once(client: AsyncClient, wanted: Sequence[Wanted], preview_every: int | None = None) -> list[Drawn]:
    return await asyncio.gather(*(draw(client, one, preview_every) for one in wanted))


def makespan_s(drawn: Sequence[Drawn]) -> float:
    """From the first request sent to the last one complete."""
    return max(one.complete_s for one in drawn) - min(one.sent_s for one in drawn)
