"""A decoder process as its owner sees it."""

import contextlib
import logging
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_media.channel import Channel, Message, mapped, shared_copy, shared_memory
from qwen_media.errors import BadMedia, DecoderFailed, MediaError

log = logging.getLogger(__name__)

INHERITED = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ")  # what Python needs; tokens and the like stay here
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
END_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Task:
    """A file for the job of that name, and what it may take: room for what it decodes to, and memory besides."""

    job: str
    payload: bytes | memoryview
    params: Mapping[str, Any]
    output_bytes: int
    memory_bytes: int
    timeout_s: float

    def message(self) -> Message:
        limits = {"output_bytes": self.output_bytes, "memory_bytes": self.memory_bytes, "timeout_s": self.timeout_s}
        return {"job": self.job, "params": self.params, "payload_bytes": len(self.payload), **limits}


@dataclass(frozen=True)
class Decoded:
    """What a job tells, and the bytes it wrote: memory of its reader's own."""

    result: dict[str, Any]
    output: memoryview


class Lost(Exception):
    """The process has ended without having seen the task."""


class DecoderProcess:
    """Takes one task at a time. Not `usable`: it is to be killed, and another one started."""

    def __init__(self, jobs: Sequence[str]) -> None:
        self._channel, theirs = Channel.pair()
        # In Triton's stub sys.executable is the stub.
        python = str(Path(sys.prefix, "bin", "python3"))
        command = [python, "-I", "-m", "qwen_media.worker", str(theirs.fileno()), str(os.getpid()), *jobs]
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                command,
                env={**environment, **ONE_THREAD},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self.has_started = self.usable = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self, timeout_s: float) -> bool:
        """Until its imports are done."""
        with contextlib.suppress(ConnectionError):
            self.usable = self._channel.wait(timeout_s) and self._channel.receive() is not None
        self.has_started = self.usable
        return self.usable

    def run(self, task: Task) -> Decoded:
        """Do a task.

        Raises:
            BadMedia: the file is at fault, also where it takes too much time or memory.
            DecoderFailed: the process failed.
            Lost: it has ended without having seen the task.
        """
        payload, output = shared_copy(task.payload), shared_memory(task.output_bytes)
        self.usable = False  # until it has answered as it should
        try:
            self._channel.send(task.message(), [payload, output])
            return self._decoded(self._answer(task), output, task)
        except ConnectionError as error:
            raise Lost from error
        finally:
            os.close(payload)
            os.close(output)

    def kill(self) -> None:
        self.usable = False
        self._process.kill()
        self._process.wait()
        self._channel.close()

    def _answer(self, task: Task) -> Message:
        if not self._channel.wait(task.timeout_s):
            raise _too_slow(task)
        try:
            received = self._channel.receive()
        except ValueError as error:
            log.error("a decoder process said what is no message")
            raise DecoderFailed from error
        if received is None:
            raise self._why_it_ended(task)
        return received[0]

    def _decoded(self, answer: Message, output: int, task: Task) -> Decoded:
        if "memory" in answer:
            raise BadMedia("needs too much memory to decode")
        if "result" in answer:
            num_bytes = answer["num_bytes"]
            if num_bytes > task.output_bytes:
                raise DecoderFailed
            self.usable = True
            return Decoded(answer["result"], mapped(output, num_bytes, mmap.ACCESS_COPY))
        self.usable = True
        if "bad" in answer:
            raise BadMedia(answer["bad"])
        raise DecoderFailed

    def _why_it_ended(self, task: Task) -> MediaError:
        status = self._process.wait(END_TIMEOUT_S)
        if status == -signal.SIGXCPU:
            return _too_slow(task)
        log.error("a decoder process ended with status %d while it did %r", status, task.job)
        return DecoderFailed()


def _too_slow(task: Task) -> BadMedia:
    return BadMedia(f"takes more than {task.timeout_s:.0f} s to decode")
