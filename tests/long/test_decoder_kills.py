"""Decoders killed and stopped at their work, 200 times: each costs its own file, and the pool is whole again."""

import random
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from qwen_media.decoders import Decoders
from qwen_media.errors import BadMedia, DecoderFailed
from qwen_media.sound import Wanted, decode_sound
from tests.sounds import FILES, hours_of_silence
from tests.waiting import until

NUM_TIMES = 200
NUM_DECODERS = 2
TIMEOUT_S = 2.0
SHORT = Wanted(16_000, 60.0)
LONG = Wanted(16_000, 9 * 3600.0)


def cpu_s(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def hit(decoders: Decoders, caller: ThreadPoolExecutor, file: bytes, number: signal.Signals) -> BaseException | None:
    """What the caller is told whose decoder gets the signal while it works."""
    processes = [psutil.Process(pid) for pid in decoders.pids]
    before_s = [cpu_s(process) for process in processes]
    outcome = caller.submit(decoders.sound, file, LONG)
    found: list[psutil.Process] = []

    def is_at_work() -> bool:
        pairs = zip(processes, before_s, strict=True)
        found[:] = [process for process, idle_s in pairs if cpu_s(process) > idle_s + 0.05]
        return bool(found)

    until(is_at_work)
    found[0].send_signal(number)
    return outcome.exception()


def test_two_hundred_decoders_that_are_killed_or_stopped_at_their_work() -> None:
    rng = random.Random(4)
    slow, file = hours_of_silence(8), FILES["m4a"]()
    expected = decode_sound(file, SHORT).samples
    with (
        Decoders(["sound"], num_decoders=NUM_DECODERS, decode_s=TIMEOUT_S, max_file_bytes=1 << 24) as decoders,
        ThreadPoolExecutor(NUM_DECODERS) as callers,
    ):
        for _ in range(NUM_TIMES):
            number = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV])
            assert isinstance(hit(decoders, callers, slow, number), DecoderFailed)
            for heard in callers.map(lambda _: decoders.sound(file, SHORT), range(NUM_DECODERS)):
                assert np.array_equal(heard.samples, expected)
            until(lambda: len(decoders.pids) == NUM_DECODERS)
        for _ in range(NUM_TIMES // 20):
            until(lambda: len(decoders.pids) == NUM_DECODERS)
            for pid in decoders.pids:
                psutil.Process(pid).send_signal(signal.SIGSTOP)
            for outcome in [callers.submit(decoders.sound, slow[:4000], SHORT) for _ in range(NUM_DECODERS)]:
                with pytest.raises(BadMedia, match="takes more than 2 s"):
                    outcome.result()
            assert np.array_equal(decoders.sound(file, SHORT).samples, expected)
    assert [child for child in psutil.Process().children() if "qwen_media.worker" in child.cmdline()] == []
