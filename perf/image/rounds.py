"""One round: diffusers and our server by turns, on the same pictures. The other side is idle meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

from perf.arrivals import first_in_first_out_s
from perf.baselines.threads import Threads
from perf.image import drawing
from perf.image.baseline import Official, groups, in_batches, one_after_another
from perf.image.drawing import Drawn
from perf.image.pictures import Wanted
from perf.side_by_side import Sides


@dataclass(frozen=True)
class Round:
    """`official` and `ours` by picture, as `wanted`; `batches` by group. `previewed`: others, all with previews."""

    wanted: Sequence[Wanted]
    official: list[Official]
    batches: list[Official]
    ours: list[Drawn]
    previewed: list[Drawn]

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
    """The two sides and what they are given, in turns: a crowd to compare, a crowd with previews."""

    sides: Sides
    threads: Threads
    crowds: Sequence[Sequence[Wanted]]

    async def round(self, number: int) -> Round:
        wanted, watched = self.crowds[2 * number], self.crowds[2 * number + 1]
        return Round(
            wanted=wanted,
            official=one_after_another(self.sides.worker, wanted, self.threads.sequential),
            ours=await drawing.all_at_once(self.sides.client, wanted),
            batches=in_batches(self.sides.worker, wanted, self.threads.batch),
            previewed=await drawing.all_at_once(self.sides.client, watched, preview_every=1),
        )
