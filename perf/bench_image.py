"""Pictures against diffusers, side by side in one run: `python -m perf.bench_image [--quick]`.

Goals and method: perf/README.md. A goal that is not met is told, and fails nothing.
"""

from dataclasses import dataclass
from pathlib import Path

from perf import side_by_side
from perf.baselines.worker import official_image
from perf.image import generation
from perf.image.baseline import choose_threads
from perf.image.pictures import request_mixes
from perf.image.results import metrics
from perf.image.rounds import Bench
from perf.side_by_side import Report, compare, repeat, two_sides
from qwen_engine.image.settings import ImageSettings
from qwen_server.profiles import Profile

MODEL = "qwen_image"


@dataclass(frozen=True)
class Amount:
    """How much is measured; `QUICK` shows that everything runs, its figures say little."""

    rounds: int = 7


QUICK = Amount(rounds=1)


async def bench(profile: Profile, amount: Amount) -> Report:
    settings = side_by_side.served(profile, MODEL, ImageSettings, edit_checkpoint=None)
    before, *mixes = request_mixes(2 * amount.rounds + 1)
    worker = official_image(Path(settings.checkpoint), settings.true_cfg_scale)
    async with two_sides(worker, Profile({MODEL: settings})) as sides:
        threads = choose_threads(sides.worker, before)
        await generation.all_at_once(sides.client, before, preview_every=1)  # what is made once
        plan = Bench(sides, threads, mixes)
        rounds = await repeat(amount.rounds, "A, ours, B, ours with previews", plan.round)
        facts = {**sides.facts(MODEL, settings, threads), "true_cfg_scale": settings.true_cfg_scale}
    return metrics(rounds), facts


if __name__ == "__main__":
    compare("image", __doc__, bench, full=Amount(), quick=QUICK)
