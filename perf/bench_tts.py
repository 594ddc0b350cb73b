"""Speech synthesis against the official package, side by side in one run: `python -m perf.bench_tts [--quick]`.

Goals and method: perf/README.md. A goal that is not met is told, and fails nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from perf import side_by_side, speech_requests
from perf.baselines.worker import official_tts
from perf.metrics import Metric
from perf.server import console, serving
from perf.side_by_side import TIMEOUT_S, Report, compare, repeat, two_sides
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
from qwen_engine.tts.settings import TtsSettings
from qwen_server.profiles import Profile

MODEL = "qwen3_tts"
NUM_TEXTS = 16


@dataclass(frozen=True)
class Amount:
    """How much is measured; `QUICK` shows that everything runs, its figures say little."""

    rounds: int = 5
    arrivals: int = 64
    minutes: int = 10
    streams: int = 3


QUICK = Amount(rounds=1, arrivals=16, minutes=2, streams=1)


async def bench(profile: Profile, amount: Amount) -> Report:
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
    async with two_sides(official_tts(Path(settings.checkpoint), voice), Profile({MODEL: settings})) as sides:
        threads = choose_threads(sides.worker, texts)
        await speech_requests.all_at_once(sides.client, texts, voice)  # what is made once
        plan = Bench(sides.worker, threads, sides.client, voice, texts, amount.arrivals)
        rounds = await repeat(amount.rounds, "A, ours alone, B, ours together, ours at random", plan.round)
        return rounds, sides.facts(MODEL, settings, threads)


async def server_streams(settings: TtsSettings, texts: Sequence[str], amount: Amount) -> list[Metric]:
    voice = first_voice(settings)
    text = long_text(texts, amount.minutes)
    with serving(Profile({MODEL: long_settings(settings, texts, amount.minutes)})) as server:
        process = psutil.Process(server.pid)
        async with AsyncClient(server.address.grpc, timeout_s=TIMEOUT_S, retries=0) as client:
            await speech_requests.speak(client, texts[0], voice)  # what is made once
            console.print(f"{amount.streams} x {amount.minutes} minutes in one stream")
            return engine_metrics([await through_server(client, text, voice, process) for _ in range(amount.streams)])


def served(profile: Profile) -> TtsSettings:
    """The profile's settings, only with the checkpoint of the named voices."""
    return side_by_side.served(profile, MODEL, TtsSettings, base_checkpoint=None, design_checkpoint=None)


def first_voice(settings: TtsSettings) -> str:
    config = json.loads((Path(settings.checkpoint) / "config.json").read_text())
    return next(iter(config["talker_config"]["spk_id"]))


if __name__ == "__main__":
    compare("tts", __doc__, bench, full=Amount(), quick=QUICK)
