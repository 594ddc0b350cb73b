"""How many torch threads a baseline gets: the better of one and one a core, tried before the first round."""

import os
from collections.abc import Callable
from dataclasses import dataclass

Tried = Callable[[int], float]


@dataclass(frozen=True)
class Threads:
    """The number of torch threads that was faster for each baseline; `tried_s` tells how long each took."""

    sequential: int
    batch: int
    tried_s: dict[str, dict[int, float]]

    def facts(self) -> dict[str, object]:
        """For the report."""
        chosen = {"sequential": self.sequential, "static_batch": self.batch}
        return {"baseline_threads": chosen, "baseline_tried_s": self.tried_s}


def faster_threads(sequential_s: Tried, batch_s: Tried) -> Threads:
    """Each of the two is called with a number of threads and answers with the seconds that it took."""
    counts = sorted({1, os.cpu_count() or 1})
    tried_s = {
        name: {count: tried(count) for count in counts}
        for name, tried in (("sequential", sequential_s), ("static_batch", batch_s))
    }
    sequential, batch = (min(counts, key=times_s.__getitem__) for times_s in tried_s.values())
    return Threads(sequential, batch, tried_s)
