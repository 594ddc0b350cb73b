"""Decoder processes: a file goes to one that is free, which is killed and replaced where it takes too long or fails.

with DecoderPool(["sound"], num_workers=2, max_waiting=64) as pool:
    decoded = pool.run(Task("sound", data, params, output_bytes=..., memory_bytes=..., timeout_s=10.0))
"""

import logging
import queue
import threading
from collections.abc import Sequence

from typing_extensions import Self

from qwen_media.errors import DecoderFailed, DecodersBusy
from qwen_media.process import Decoded, DecoderProcess, Lost, Task

log = logging.getLogger(__name__)

START_TIMEOUT_S = 120.0  # the imports, on a machine where everything starts at once
RETRY_S = 1.0
MAX_WAIT_S = 60.0


class DecoderPool:
    """`num_workers` processes that do `jobs`, and no more than `max_waiting` callers that wait for one.

    Raises:
        DecoderFailed: they do not start; the log has the cause.
    """

    def __init__(self, jobs: Sequence[str], *, num_workers: int, max_waiting: int) -> None:
        self._jobs = tuple(jobs)
        self._num_workers = num_workers
        self._max_waiting = max_waiting
        self._num_waiting = 0
        self._counting = threading.Lock()
        self._processes: set[DecoderProcess] = set()
        self._free: queue.SimpleQueue[DecoderProcess | None] = queue.SimpleQueue()
        self._missing: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._first_start: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._closing = threading.Event()
        # A process ends with the thread that started it: one thread starts them all, and stays.
        self._keeping = threading.Thread(target=self._keep_whole, name="decoders", daemon=True)
        self._keeping.start()
        if not self._first_start.get():
            self.close()
            raise DecoderFailed

    @property
    def pids(self) -> list[int]:
        """Of the processes that work or are ready to."""
        return [process.pid for process in list(self._processes) if process.has_started]

    def run(self, task: Task) -> Decoded:
        """Have a process do `task`; waits for it in the caller's thread.

        Raises:
            BadMedia: the file is at fault, also where it takes too much time or memory.
            DecodersBusy: too many wait already, or the pool is closed.
            DecoderFailed: the process failed; the next task gets another one.
        """
        while True:
            process = self._take()
            try:
                return process.run(task)
            except Lost:  # another one gets it
                log.warning("a decoder process had ended while it had nothing to do")
            finally:
                self._give_back(process)

    def close(self) -> None:
        """End all processes; whoever waits for one is refused."""
        self._closing.set()
        self._free.put(None)
        self._missing.put(0)
        self._keeping.join(START_TIMEOUT_S)
        for process in list(self._processes):
            self._end(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self) -> DecoderProcess:
        with self._counting:
            if self._num_waiting >= self._max_waiting:
                raise DecodersBusy(f"too many files wait to be decoded ({self._max_waiting}); try again later")
            self._num_waiting += 1
        try:
            process = self._free.get(timeout=MAX_WAIT_S)
        except queue.Empty:
            raise DecodersBusy(f"no decoder became free within {MAX_WAIT_S:g} s; try again later") from None
        finally:
            with self._counting:
                self._num_waiting -= 1
        if process is None or self._closing.is_set():
            self._free.put(None)  # for the next one
            raise DecodersBusy("the server is shutting down")
        return process

    def _give_back(self, process: DecoderProcess) -> None:
        if process.usable:
            self._free.put(process)
        else:
            self._end(process)
            self._missing.put(1)

    def _end(self, process: DecoderProcess) -> None:
        process.kill()
        self._processes.discard(process)

    def _keep_whole(self) -> None:
        """Start what is missing, until the pool is closed."""
        missing = self._num_workers - self._start(self._num_workers)
        self._first_start.put(not missing)
        while not self._closing.is_set():
            missing += 0 if missing else self._missing.get()
            try:
                missing -= self._start(missing)
            except Exception:
                log.exception("decoder processes could not be started")
            if missing:
                self._closing.wait(RETRY_S)

    def _start(self, number: int) -> int:
        """Start `number` processes at once; how many of them came up."""
        started = self._spawned(number)
        self._processes.update(started)
        ready = [process for process in started if process.wait_ready(START_TIMEOUT_S)]
        for process in started:
            if process in ready:
                self._free.put(process)
            else:
                log.error("a decoder process ended while it started, or took too long")
                self._end(process)
        return len(ready)

    def _spawned(self, number: int) -> list[DecoderProcess]:
        started: list[DecoderProcess] = []
        try:
            while len(started) < number:
                started.append(DecoderProcess(self._jobs))
        except OSError:
            log.exception("a decoder process could not be started")
        return started
