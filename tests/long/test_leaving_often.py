"""Streams left at every moment, thousands of them, by every kind of caller: nobody else notices.

Where callers cancelled their RPCs instead, Triton 2.51 crashed after some dozens to some hundreds of streams that one
caller alone left at the last chunk.
"""

import asyncio
import itertools
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qwen_client import AsyncClient, Client, DeadlineExceeded
from tests.leavers import (
    STREAMS,
    TEXT,
    Whole,
    cancel_at,
    drop_after,
    leave_after,
    leave_at,
    moments,
    places,
    unharmed,
)

QWEN = Path(sys.prefix) / "bin" / "qwen"
ALONE_S = 150.0
CROWD_S = 40.0
NUM_CALLERS = 6
LONG_TEXT = "Please show me a large purple triangle on a white background. " * 8
COMMANDS = {
    "say": ["say", f"{TEXT} Good morning."],
    "draw": ["draw", "a red circle", "--steps", "12"],
    "chat": ["chat", "Please draw a red circle."],
    "talk": ["talk", "demo/audio/request.wav"],
    "storyboard": ["storyboard", "a red circle and a green star", "-o", "out"],
    "transcribe": ["transcribe", "demo/audio/message.wav"],
}


@pytest.fixture(scope="module")
def wholes(server) -> dict[str, Whole]:
    with Client(server.address.grpc, timeout_s=120) as client:
        return {kind: Whole.of(client, kind) for kind in STREAMS}


def until(end_s: float) -> Iterator[int]:
    return itertools.takewhile(lambda _: time.monotonic() < end_s, itertools.count())


@pytest.mark.parametrize("kind", ["speech", "chat", "picture"])
def test_one_caller_who_leaves_at_the_last_event(server, client, wholes, kind):
    with unharmed(server):
        left = sum(
            1 for _ in until(time.monotonic() + ALONE_S) if leave_after(client, kind, wholes[kind].num_events) is None
        )
    assert left > 100


@pytest.mark.parametrize("kind", STREAMS)
def test_a_crowd_that_leaves_at_every_moment(server, client, wholes, kind):
    end_s = time.monotonic() + CROWD_S

    def leave(caller: int) -> int:
        rng, at = random.Random(caller), moments(wholes[kind], caller)
        for number in until(end_s):
            match number % 3:
                case 0:
                    leave_at(client, kind, next(at))
                case 1:
                    leave_after(client, kind, rng.choice(places(wholes[kind])))
                case _:
                    drop_after(client, kind, rng.choice(places(wholes[kind])))
        return number

    with unharmed(server), ThreadPoolExecutor(NUM_CALLERS) as pool:
        assert sum(pool.map(leave, range(NUM_CALLERS))) > 30


@pytest.mark.parametrize("kind", STREAMS)
def test_tasks_that_are_cancelled_at_every_moment(server, wholes, kind):
    end_s = time.monotonic() + CROWD_S

    async def leave(client: AsyncClient, caller: int) -> None:
        at = moments(wholes[kind], caller)
        for _ in until(end_s):
            await cancel_at(client, kind, next(at))

    async def crowd() -> None:
        async with AsyncClient(server.address.grpc, timeout_s=120) as client:
            await asyncio.gather(*(leave(client, caller) for caller in range(NUM_CALLERS)))

    with unharmed(server):
        asyncio.run(crowd())


def test_unary_calls_that_are_cancelled_at_every_moment(server, audio):
    end_s, file = time.monotonic() + CROWD_S, (audio / "message.wav").read_bytes()

    async def leave(client: AsyncClient, caller: int) -> None:
        rng = random.Random(caller)
        for _ in until(end_s):
            calls = [client.asr.transcribe(file), client.asr.align(file, "hello"), client.chains.spoken_image(file)]
            task = asyncio.ensure_future(calls.pop(rng.randrange(3)))
            for other in calls:
                other.close()
            await asyncio.wait({task}, timeout=rng.uniform(0, 1))
            task.cancel()
            await asyncio.wait({task})

    async def crowd() -> None:
        async with AsyncClient(server.address.grpc, timeout_s=120) as client:
            await asyncio.gather(*(leave(client, caller) for caller in range(NUM_CALLERS)))

    with unharmed(server):
        asyncio.run(crowd())


def test_deadlines_that_end_at_every_moment(server):
    """The server ends the request before the RPC's deadline, where that is not shorter than some steps."""
    end_s = time.monotonic() + CROWD_S

    def hurry(caller: int) -> None:
        rng = random.Random(caller)
        for _ in until(end_s):
            timeout_s = rng.uniform(0.5, 1.5)
            with Client(server.address.grpc, timeout_s=timeout_s) as client, pytest.raises(DeadlineExceeded):
                list(client.tts.stream(LONG_TEXT, chunk_frames=[1]))

    with unharmed(server), ThreadPoolExecutor(NUM_CALLERS) as pool:
        list(pool.map(hurry, range(NUM_CALLERS)))


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_on_the_command_line(server, tmp_path, command):
    home, rng = Path(__file__).resolve().parents[2], random.Random(command)
    arguments = [str(home / one) if one.startswith("demo/") else one for one in COMMANDS[command]]
    url = ["--url", server.address.grpc]
    with unharmed(server):
        for _ in range(12):
            process = subprocess.Popen([QWEN, *arguments, *url], cwd=tmp_path, stdout=-1, stderr=-1, text=True)
            try:
                process.communicate(timeout=rng.uniform(0.5, 3.0))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=30)
