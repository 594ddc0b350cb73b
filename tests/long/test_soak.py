"""A mixed load for some minutes: answers stay the same, memory and shared memory stay flat."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil

from qwen_client import Client

DURATION_S = 240
NUM_USERS = 6
ALLOWED_GROWTH_MB = 150


def memory_mb(server) -> float:
    triton = psutil.Process(server.pid)
    return sum(process.memory_info().rss for process in [triton, *triton.children(recursive=True)]) / 1e6


def shared_mb(server) -> float:
    regions = Path("/dev/shm").glob(f"qwen-{server.address.grpc_port}-*")
    return sum(region.stat().st_size for region in regions) / 1e6


def one_round(client: Client, audio: Path, number: int) -> tuple[object, ...]:
    """A result that must not depend on when it is asked for."""
    match number % 5:
        case 0:
            return (0, client.asr.transcribe(audio / "message.wav").text)
        case 1:
            return (1, client.image.generate("a red circle", steps=2, seed=1).png)
        case 2:
            return (2, *rounded(client.tts.synthesize("Hello everyone.").samples))
        case 3:
            return (3, client.chains.spoken_image(audio / "request.wav", steps=2).heard)
        case _:
            with client.tts.stream("Good morning, everyone.", chunk_frames=[2]) as stream:
                return (4, *rounded(next(stream).samples))  # and leave


def rounded(samples: np.ndarray) -> tuple[int, int]:
    """Length and coarse loudness: batch mates may change a sample's last bit."""
    return len(samples), round(float(np.square(samples, dtype=np.float64).sum()), 1)


def test_mixed_load(server, audio):
    with Client(server.address.grpc) as client, ThreadPoolExecutor(NUM_USERS) as pool:

        def user(first: int, until_s: float) -> set[tuple[object, ...]]:
            rounds = itertools.takewhile(lambda _: time.monotonic() < until_s, itertools.count(first))
            return {one_round(client, audio, number) for number in rounds}

        def load(duration_s: float) -> set[tuple[object, ...]]:
            until_s = time.monotonic() + duration_s
            return set().union(*pool.map(lambda first: user(first, until_s), range(NUM_USERS)))

        seen = load(DURATION_S / 4)  # buffers grow to their size first
        memory_before_mb, shared_before_mb = memory_mb(server), shared_mb(server)
        seen |= load(DURATION_S)
    assert len(seen) == 5
    assert memory_mb(server) - memory_before_mb < ALLOWED_GROWTH_MB
    assert shared_mb(server) <= shared_before_mb + 1
