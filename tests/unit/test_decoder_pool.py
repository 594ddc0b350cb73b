"""Files are decoded in processes that may hang, grow or die without harm to anybody else."""

import io
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
import soundfile

from qwen_media.decoders import Decoders
from qwen_media.errors import BadMedia, DecoderFailed, DecodersBusy
from qwen_media.pool import DecoderPool
from qwen_media.process import Task
from qwen_media.sound import RawForm, Wanted, decode_sound
from tests.sounds import hours_of_silence
from tests.waiting import until

RATE_HZ = 16000
WANTED = Wanted(RATE_HZ, 60.0)
LONG_WANTED = Wanted(RATE_HZ, 9 * 3600.0)
GENEROUS_S = 60.0
pytestmark = pytest.mark.usefixtures("_nothing_is_left")


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV")
    return file.getvalue()


NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, RATE_HZ).astype(np.float32)
FILE = wav(NOISE)


@pytest.fixture(scope="module")
def long_file() -> bytes:
    """Some seconds of work."""
    return hours_of_silence(8)


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    with sound_decoders() as made:
        yield made


@pytest.fixture
def _nothing_is_left() -> Iterator[None]:
    yield
    assert [child for child in psutil.Process().children() if "qwen_media.worker" in child.cmdline()] == []


def sound_decoders(**limits: float) -> Decoders:
    return Decoders(["sound"], **{"num_decoders": 2, "decode_s": GENEROUS_S, "max_file_bytes": 1 << 24, **limits})


def task(payload: bytes, max_s: float = 60.0, **limits: float) -> Task:
    params = {"sample_rate_hz": RATE_HZ, "max_s": max_s, "raw": None}
    return Task(
        "sound", payload, params, **{"output_bytes": 1 << 22, "memory_bytes": 1 << 28, "timeout_s": 60.0, **limits}
    )


def kill_all(decoders: Decoders) -> None:
    """While they have nothing to do."""
    processes = [psutil.Process(pid) for pid in decoders.pids]
    for process in processes:
        process.kill()
    until(lambda: all(process.status() == psutil.STATUS_ZOMBIE for process in processes))


def assert_whole(decoders: Decoders) -> None:
    """Two processes, both of which work: as many files at once."""
    with ThreadPoolExecutor(2) as callers:
        for heard in callers.map(lambda _: decoders.sound(FILE, WANTED), range(8)):
            assert np.array_equal(heard.samples, decode_sound(FILE, WANTED).samples)
    until(lambda: len(decoders.pids) == 2)


@pytest.mark.parametrize("data", [FILE, wav(NOISE[:1]), wav(np.resize(NOISE, 40 * RATE_HZ))])
def test_a_process_decodes_what_this_one_does(decoders, data):
    heard = decoders.sound(data, WANTED).samples
    assert np.array_equal(heard, decode_sound(data, WANTED).samples)
    heard += 1  # the memory is ours


def test_raw_samples_too(decoders):
    wanted = Wanted(24000, 5.0, RawForm("pcm_f32le", 8000, 2))
    assert np.array_equal(
        decoders.sound(NOISE.tobytes(), wanted).samples, decode_sound(NOISE.tobytes(), wanted).samples
    )


def test_what_is_wrong_with_a_file_is_told_and_harms_no_process(decoders):
    before = decoders.pids
    with pytest.raises(BadMedia, match="cannot be read as audio"):
        decoders.sound(b"nonsense" * 100, WANTED)
    with pytest.raises(BadMedia, match="is empty"):
        decoders.sound(b"", WANTED)
    assert_whole(decoders)
    assert decoders.pids == before


def test_too_many_bytes_are_refused_before_a_process_sees_them(decoders):
    with pytest.raises(BadMedia, match=r"has 16777217 bytes; the limit is 16777216"):
        decoders.sound(bytes(2**24 + 1), WANTED)


def test_a_file_that_takes_too_long_is_given_up_and_its_process_replaced(long_file):
    with DecoderPool(["sound"], num_workers=1, max_waiting=4) as pool:
        slow = pool.pids
        with pytest.raises(BadMedia, match="takes more than 1 s to decode"):
            pool.run(task(long_file, output_bytes=LONG_WANTED.max_bytes, max_s=LONG_WANTED.max_s, timeout_s=1.0))
        assert not psutil.pid_exists(slow[0])
        assert len(pool.run(task(FILE)).output) == 4 * RATE_HZ


def test_a_process_that_hangs_is_killed_while_the_other_one_works():
    with sound_decoders(decode_s=3.0) as decoders, ThreadPoolExecutor(4) as callers:
        hangs = decoders.pids[0]
        os.kill(hangs, signal.SIGSTOP)
        outcomes = [callers.submit(decoders.sound, FILE, WANTED) for _ in range(20)]
        errors = [one.exception() for one in outcomes]
        assert [str(error) for error in errors if error] == ["takes more than 4 s to decode"]
        assert not psutil.pid_exists(hangs)
        assert_whole(decoders)


def test_a_process_that_dies_at_its_work_is_our_fault_and_replaced(decoders, long_file):
    with ThreadPoolExecutor(1) as caller:
        given_up = caller.submit(decoders.sound, long_file, LONG_WANTED)
        processes = [psutil.Process(pid) for pid in decoders.pids]
        idle_s = [sum(process.cpu_times()[:2]) for process in processes]

        def at_work() -> list[psutil.Process]:
            pairs = zip(processes, idle_s, strict=True)
            return [process for process, before_s in pairs if sum(process.cpu_times()[:2]) > before_s + 0.1]

        until(lambda: bool(at_work()))
        at_work()[0].kill()
        assert isinstance(given_up.exception(), DecoderFailed)
    assert_whole(decoders)


def test_a_process_that_died_at_rest_is_replaced_unnoticed(decoders):
    kill_all(decoders)
    assert_whole(decoders)


def test_memory_is_limited_file_by_file(long_file):
    with DecoderPool(["sound"], num_workers=1, max_waiting=4) as pool:
        with pytest.raises(BadMedia, match="too much memory"):
            pool.run(task(long_file, output_bytes=LONG_WANTED.max_bytes, max_s=LONG_WANTED.max_s, memory_bytes=0))
        assert len(pool.run(task(FILE)).output) == 4 * RATE_HZ


def test_more_than_may_wait_are_refused_at_once():
    with DecoderPool(["sound"], num_workers=1, max_waiting=1) as pool:
        os.kill(pool.pids[0], signal.SIGSTOP)
        hanging = task(FILE, timeout_s=2.0)
        with ThreadPoolExecutor(8) as callers:
            errors = [one.exception() for one in [callers.submit(pool.run, hanging) for _ in range(8)]]
        kinds = [type(error) for error in errors if error]
        assert kinds.count(BadMedia) == 1  # it hung
        assert DecodersBusy in kinds


def test_a_closed_pool_refuses(decoders):
    decoders.close()
    with pytest.raises(DecodersBusy, match="shutting down"):
        decoders.sound(FILE, WANTED)


def test_processes_know_no_secrets_and_can_write_no_file(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    with sound_decoders() as decoders:
        process = psutil.Process(decoders.pids[0])
        assert "HF_TOKEN" not in process.environ()
        assert process.rlimit(resource.RLIMIT_FSIZE) == (0, 0)
        assert process.rlimit(resource.RLIMIT_CORE) == (0, 0)
        assert process.rlimit(resource.RLIMIT_NOFILE)[1] <= 32


OWNER = """
import sys, time
from qwen_media.decoders import Decoders
decoders = Decoders(["sound"], num_decoders=2, decode_s=60.0, max_file_bytes=1 << 24)
print(*decoders.pids, flush=True)
time.sleep(600)
"""


def test_processes_end_with_their_owner_whatever_they_do(long_file):
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(pids) == 2
        os.kill(pids[0], signal.SIGSTOP)
        owner.kill()
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_processes_that_cannot_be_started_for_a_while_are_started_later(decoders, monkeypatch):
    start, failed = DecoderPool._start, []

    def fail_once(pool: DecoderPool, number: int) -> int:
        if not failed:
            failed.append(number)
            raise RuntimeError("can't start new thread")
        return start(pool, number)

    monkeypatch.setattr(DecoderPool, "_start", fail_once)
    kill_all(decoders)
    assert_whole(decoders)
    assert failed
