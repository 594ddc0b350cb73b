"""One round: diffusers and our server by turns, on the same pictures. The other side is idle meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

from perf.arrivals import first_in_first_out_s
from perf.baselines.threads import Threads
from perf.image import generation
from perf.image.baseline import Official, groups, in_batches, one_after_another
from perf.image.generation import GeneratedPicture
from perf.image.pictures import PictureRequest
from perf.side_by_side import Sides


@dataclass(frozen=True)
class Round:
    """`official` and `ours` by picture, as `wanted`; `batches` by group. `previewed`: others, all with previews."""

    wanted: Sequence[PictureRequest]
    official: list[Official]
    batches: list[Official]
    ours: list[GeneratedPicture]
    previewed: list[GeneratedPicture]

    @property
    def queued_s(self) -> list[float]:
        """A's latencies if all requests come at once and wait for their turn."""
        services_s = [one.elapsed_s for one in self.official]
        return first_in_first_out_s([0.0] * len(services_s), services_s)

    @property
    def batched_s(self) -> float:
        """B's makespan: a group that is faster one after another is not batched."""
        apart_s = [sum(self.official[at].elapsed_s for at in group) for group in groups(self.wanted)]
        return sum(min(batch.elapsed_s, one_s) for batch, one_s in zip(self.batches, apart_s, strict=True))


@dataclass(frozen=True)
class Bench:
    """The two sides and what they are given, in turns: a mix to compare, a mix with previews."""

    sides: Sides
    threads: Threads
    mixes: Sequence[Sequence[PictureRequest]]

    async def round(self, number: int) -> Round:
        wanted, watched = self.mixes[2 * number], self.mixes[2 * number + 1]
        return Round(
            wanted=wanted,
            official=one_after_another(self.sides.worker, wanted, self.threads.sequential),
            ours=await generation.all_at_once(self.sides.client, wanted),
            batches=in_batches(self.sides.worker, wanted, self.threads.batch),
            previewed=await generation.all_at_once(self.sides.client, watched, preview_every=1),
        )
