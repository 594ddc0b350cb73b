"""A thousand requests leave slots, threads, memory and /dev/shm where they were."""

from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.long.test_soak import memory_mb, shared_mb

NUM_REQUESTS = 1000
NUM_USERS = 8
TEXTS = ("Hello everyone.", "Thank you Anna.", "Good morning.")
ALLOWED_GROWTH_MB = 60
ALLOWED_THREADS = 8  # gRPC's own pools breathe


def num_threads(server) -> int:
    triton = psutil.Process(server.pid)
    return sum(process.num_threads() for process in [triton, *triton.children(recursive=True)])


def test_a_thousand_requests(server, client):
    def speak(number: int) -> tuple[str, int]:
        text = TEXTS[number % len(TEXTS)]
        if number % 7 == 0:
            with client.tts.stream(text, chunk_frames=[1]) as stream:
                next(stream)
            return text, 0
        return text, len(client.tts.synthesize(text).samples)

    def serve(count: int) -> set[tuple[str, int]]:
        with ThreadPoolExecutor(NUM_USERS) as pool:
            return set(pool.map(speak, range(count)))

    lengths = serve(NUM_REQUESTS // 5)  # buffers grow to their size first
    before = memory_mb(server), shared_mb(server), num_threads(server)
    assert serve(NUM_REQUESTS) == lengths
    assert len(lengths) == 2 * len(TEXTS)
    assert memory_mb(server) - before[0] < ALLOWED_GROWTH_MB
    assert shared_mb(server) <= before[1]
    assert num_threads(server) - before[2] < ALLOWED_THREADS
