"""The gateway: cached answers, what it adds to a request, sockets it holds: `python -m perf.bench_gateway [--quick]`.

Goals and method: perf/README.md. A goal that is not met is told, and fails nothing.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx

from perf.gateway import overhead, sockets
from perf.gateway.load import CONNECTIONS, Load, cached_answers
from perf.gateway.sockets import Held
from perf.metrics import Goal, Metric, spread
from perf.report import circumstances
from perf.server import console, serving
from perf.side_by_side import TIMEOUT_S, Report, compare
from qwen_client import AsyncClient
from qwen_server.address import free_port
from qwen_server.gateway_process import GatewayProcess
from qwen_server.home import project_file
from qwen_server.profiles import Profile

SOUND = Path("demo/audio/message.wav")
MODEL = "qwen3_asr"
NUM_WARM = 3


@dataclass(frozen=True)
class Amount:
    """How much is measured; `QUICK` shows that everything runs, its figures say little."""

    load_s: int = 60
    turns: int = 60
    sockets: int = 200
    vanished: int = 1000


QUICK = Amount(load_s=3, turns=4, sockets=20, vanished=20)


async def bench(profile: Profile, amount: Amount) -> Report:
    sound = project_file(str(SOUND)).read_bytes()
    with serving(profile) as server, GatewayProcess.beside(server, free_port()) as gateway:
        gateway.wait_ready()
        async with (
            AsyncClient(server.address.grpc, timeout_s=TIMEOUT_S, retries=0) as client,
            httpx.AsyncClient(base_url=gateway.url, timeout=TIMEOUT_S, trust_env=False) as http,
        ):
            console.print("transcriptions and first sounds, by turns")
            heard = [await overhead.transcription(client, http, sound, turn) for turn in range(amount.turns + NUM_WARM)]
            spoken = [await overhead.first_sound(client, http, turn) for turn in range(amount.turns + NUM_WARM)]
        console.print("cached answers")
        load = cached_answers(gateway.url, sound, amount.load_s)
        console.print("sockets")
        before = sockets.held(gateway.pid)
        open_ = await sockets.realtime(gateway.url, gateway.pid, amount.sockets)
        await sockets.settled(gateway.pid, before)
        await sockets.vanish(int(gateway.url.rpartition(":")[2]), NUM_WARM)
        before = await sockets.settled(gateway.pid, before)
        await sockets.vanish(int(gateway.url.rpartition(":")[2]), amount.vanished)
        after = await sockets.settled(gateway.pid, before)
        metrics = [
            *_cached(load),
            _added("overhead_transcription_p50_ms", heard[NUM_WARM:], Goal(3.0, at_most=True)),
            _added("overhead_first_audio_byte_p50_ms", spoken[NUM_WARM:], Goal(5.0, at_most=True)),
            _open(open_, amount.sockets),
            *_left(before, after, amount.vanished),
        ]
        return metrics, circumstances(server.address.grpc, MODEL)


def _cached(load: Load) -> list[Metric]:
    detail = {"connections": CONNECTIONS, "duration_s": load.duration_s, "requests": load.requests}
    return [
        Metric("cached_answers_per_s", load.per_s, "requests/s", Goal(1000.0), detail),
        Metric("cached_answers_success", load.success, "share", Goal(0.997), {"failed": load.failed}),
        Metric("cached_answers_p95_ms", load.p95_ms, "ms", Goal(150.0, at_most=True), {"p50_ms": load.p50_ms}),
    ]


def _added(name: str, turns: Sequence[overhead.Turn], goal: Goal) -> Metric:
    each = [turn.more_ms for turn in turns]
    sdk_ms = round(1000 * statistics.median(turn.sdk_s for turn in turns), 3)
    return Metric(
        name, statistics.median(each), "ms", goal, {"repetitions": len(each), **spread(each), "sdk_ms": sdk_ms}
    )


def _open(held: Held, count: int) -> Metric:
    detail = {"sockets": count, "connections": held.connections}
    return Metric("realtime_sockets_rss_mb", held.rss_mb, "MB", Goal(400.0, at_most=True), detail)


def _left(before: Held, after: Held, count: int) -> list[Metric]:
    detail = {"callers": count, "rss_before_mb": round(before.rss_mb, 1), "rss_after_mb": round(after.rss_mb, 1)}
    return [
        Metric("vanished_clients_left_mb", after.rss_mb - before.rss_mb, "MB", Goal(10.0, at_most=True), detail),
        Metric(
            "vanished_clients_left_sockets",
            after.connections - before.connections,
            "sockets",
            Goal(0.0, at_most=True),
            {"files": after.open_files - before.open_files},
        ),
    ]


if __name__ == "__main__":
    compare("gateway", __doc__, bench, full=Amount(), quick=QUICK)
