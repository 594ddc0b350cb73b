"""Speech synthesis against the official package, side by side in one run: `python -m perf.bench_tts [--quick]`.

Goals and method: perf/README.md. A goal that is not met is told, and fails nothing.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from perf import speaking
from perf.baselines.worker import BaselineError, official_tts
from perf.metrics import Metric, print_report
from perf.report import circumstances
from perf.server import console, serving
from perf.tts.baseline import choose_threads
from perf.tts.long_stream import (
    CODEC_CHUNKS,
    codec_metrics,
    engine_metrics,
    long_settings,
    long_text,
    through_codec,
    through_server,
)
from perf.tts.results import metrics
from perf.tts.rounds import Bench, Round
from perf.tts.texts import benchmark_texts
from qwen_client import AsyncClient
from qwen_engine.settings import TtsSettings
from qwen_server.checkpoints import resolve
from qwen_server.errors import ServerError
from qwen_server.profiles import Profile, load_profile

MODEL = "qwen3_tts"
NUM_TEXTS = 16
TIMEOUT_S = 900


@dataclass(frozen=True)
class Amount:
    """How much is measured; `QUICK` shows that everything runs, its figures say little."""

    rounds: int = 5
    arrivals: int = 64
    minutes: int = 10
    streams: int = 3


QUICK = Amount(rounds=1, arrivals=16, minutes=2, streams=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that everything runs")
    arguments = parser.parse_args()
    amount = QUICK if arguments.quick else Amount()
    results, facts = asyncio.run(bench(load_profile(arguments.profile), amount))
    print_report("tts", results, facts)


async def bench(profile: Profile, amount: Amount) -> tuple[list[Metric], dict[str, object]]:
    """All metrics, and the circumstances of all."""
    settings = served(profile)
    texts = benchmark_texts(NUM_TEXTS)
    rounds, facts = await load_rounds(settings, texts, amount)
    results = metrics(rounds)
    results += await server_streams(settings, texts, amount)
    codes = [frame for speech in rounds[0].official for frame in speech.codes[0]]
    for chunk in CODEC_CHUNKS:
        console.print(f"{amount.streams} x {amount.minutes} minutes through the codec, {chunk} frames at a time")
        streams = [through_codec(settings, codes, amount.minutes, chunk) for _ in range(amount.streams)]
        results += codec_metrics(streams, chunk)
    return results, facts


async def load_rounds(
    settings: TtsSettings, texts: Sequence[str], amount: Amount
) -> tuple[list[Round], dict[str, object]]:
    voice = first_voice(settings)
    with official_tts(Path(settings.checkpoint), voice) as worker, serving(Profile(qwen3_tts=settings)) as server:
        address = server.address.grpc
        async with AsyncClient(address, timeout_s=TIMEOUT_S) as client:
            threads = choose_threads(worker, texts)
            await speaking.all_at_once(client, texts, voice)  # what is made once
            plan = Bench(worker, threads, client, voice, texts, amount.arrivals)
            rounds = [await next_round(plan, number, amount.rounds) for number in range(amount.rounds)]
        return rounds, {
            **circumstances(address, MODEL),
            "threads": settings.num_threads,
            "baseline_threads": {"sequential": threads.sequential, "static_batch": threads.batch},
            "baseline_tried_s": threads.tried_s,
        }


async def next_round(plan: Bench, number: int, count: int) -> Round:
    console.print(f"round {number + 1} of {count}: A, ours alone, B, ours together, ours at random")
    return await plan.round(seed=number)


async def server_streams(settings: TtsSettings, texts: Sequence[str], amount: Amount) -> list[Metric]:
    voice = first_voice(settings)
    text = long_text(texts, amount.minutes)
    with serving(Profile(qwen3_tts=long_settings(settings, texts, amount.minutes))) as server:
        process = psutil.Process(server.pid)
        async with AsyncClient(server.address.grpc, timeout_s=TIMEOUT_S) as client:
            await speaking.speak(client, texts[0], voice)  # what is made once
            console.print(f"{amount.streams} x {amount.minutes} minutes in one stream")
            return engine_metrics([await through_server(client, text, voice, process) for _ in range(amount.streams)])


def served(profile: Profile) -> TtsSettings:
    """The profile's settings, with the folder of the checkpoint; only that of the named voices."""
    settings = profile.qwen3_tts
    if settings is None:
        raise ServerError(f"the profile does not serve {MODEL}")
    folder = str(resolve(settings.checkpoint))
    return settings.model_copy(update={"checkpoint": folder, "base_checkpoint": None, "design_checkpoint": None})


def first_voice(settings: TtsSettings) -> str:
    config = json.loads((Path(settings.checkpoint) / "config.json").read_text())
    return next(iter(config["talker_config"]["spk_id"]))


if __name__ == "__main__":
    try:
        main()
    except (BaselineError, ServerError) as error:
        sys.exit(f"error: {error}")
