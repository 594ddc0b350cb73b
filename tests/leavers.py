"""Callers of a real server who leave their streams early, at chosen or random moments."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from PIL import Image

from qwen_client import AsyncClient, Client
from qwen_server.triton_process import TritonProcess
from tests.workflow_examples import stream

TEXT = "Hello everyone."
TOLERANCE = 1.5 / 32768  # batch mates may change a sample's last bit
NUM_PLACES = 16  # of the demo profile's voice
SPOKEN = {
    "nodes": {"reply": {"model": "qwen3_chat", "inputs": {"text_input": "hello"}}, "spoken": {"model": "qwen3_tts"}},
    "outputs": {},
}
SPOKEN["nodes"]["spoken"] |= {"inputs": {"TEXT": TEXT}, "options": {"chunk_frames": [1]}}

STREAMS: dict[str, Callable[[Any], Any]] = {
    "speech": lambda client: client.tts.stream(TEXT, chunk_frames=[1]),
    "picture": lambda client: client.image.stream("a red circle", steps=4, preview_every=1),
    "chat": lambda client: client.chat.stream("Please draw a small red circle."),
    "voice_chat": lambda client: client.chains.voice_chat(text="hello"),
    "workflow": lambda client: stream(client, SPOKEN),
    "describe_aloud": lambda client: client.chains.describe_aloud(PICTURE),
}
"""Every kind of stream, of either client: models, chains that are code, graphs sent and graphs kept."""

PICTURE = Image.new("RGB", (64, 64), "white")


@dataclass(frozen=True)
class Whole:
    """A stream that was heard to its end."""

    num_events: int
    duration_s: float

    @classmethod
    def of(cls, client: Client, kind: str) -> "Whole":
        began_s = time.monotonic()
        with STREAMS[kind](client) as events:
            return cls(sum(1 for _ in events), time.monotonic() - began_s)


def leave_after(client: Client, kind: str, num_events: int) -> None:
    """Leave right after so many events, or at the end."""
    with STREAMS[kind](client) as events:
        for _ in zip(range(num_events), events, strict=False):
            pass


def leave_at(client: Client, kind: str, moment_s: float) -> None:
    """Leave at the first event after so many seconds."""
    end_s = time.monotonic() + moment_s
    with STREAMS[kind](client) as events:
        while time.monotonic() < end_s and next(events, None) is not None:
            pass


def drop_after(client: Client, kind: str, num_events: int) -> None:
    """Read so many events, and have the stream collected."""
    events = STREAMS[kind](client)
    for _ in zip(range(num_events), events, strict=False):
        pass


async def cancel_at(client: AsyncClient, kind: str, moment_s: float) -> None:
    """Cancel the task that listens, wherever it is, after so many seconds."""

    async def listen() -> None:
        async with STREAMS[kind](client) as events:
            async for _ in events:
                pass

    task = asyncio.create_task(listen())
    await asyncio.wait({task}, timeout=moment_s)
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def moments(whole: Whole, seed: int) -> Iterator[float]:
    """Random ones, without end: up to a little more than the whole takes."""
    rng = random.Random(seed)
    while True:
        yield rng.uniform(0.0, 1.1 * whole.duration_s)


def places(whole: Whole) -> tuple[int, ...]:
    """After the first event, in the middle, and before the end."""
    return 1, whole.num_events // 2, whole.num_events


def processes(server: TritonProcess) -> set[int]:
    """Of the server: Triton and its stubs, and what these started."""
    return {server.pid, *(one.pid for one in psutil.Process(server.pid).children(recursive=True))}


@contextmanager
def unharmed(server: TritonProcess) -> Iterator[None]:
    """Meanwhile a bystander is served as ever; afterwards no process is another one, and every place is free."""
    before, is_over = processes(server), False
    with Client(server.address.grpc, timeout_s=120) as client, ThreadPoolExecutor(NUM_PLACES) as pool:
        expected = client.tts.synthesize(TEXT).samples

        def stand_by() -> int:
            served = 0
            while not is_over:
                np.testing.assert_allclose(client.tts.synthesize(TEXT).samples, expected, atol=TOLERANCE)
                served += 1
                time.sleep(0.5)
            return served

        bystander: Future[int] = pool.submit(stand_by)
        try:
            yield
        finally:
            is_over = True
        assert bystander.result() > 0
        for speech in pool.map(client.tts.synthesize, [TEXT] * NUM_PLACES):
            np.testing.assert_allclose(speech.samples, expected, atol=TOLERANCE)
    assert processes(server) == before
