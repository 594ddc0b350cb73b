"""The decoder process: `python -m qwen_media.worker DESCRIPTOR JOB…` takes files from its owner until that is gone.

It runs what may go wrong with a stranger's bytes. So it holds nothing of value, can open next to nothing, and ends with
its owner; its owner kills it where it takes too long.
"""

import contextlib
import ctypes
import errno
import importlib
import logging
import mmap
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from qwen_media.channel import Channel, Message, mapped
from qwen_media.errors import BadMedia
from qwen_media.output import Output, SharedOutput

log = logging.getLogger(__name__)

Job = Callable[[memoryview, Mapping[str, Any], Output], dict[str, Any]]
"""Takes a file and parameters, writes what it holds to the output, and tells what else there is to know."""

JOBS = {"sound": "qwen_media.sound", "picture": "qwen_media.picture"}  # the modules whose `job` it is
PR_SET_PDEATHSIG = 1  # linux/prctl.h
MAX_OPEN_FILES = 24  # what the imports left open, and the two of a job
MAX_REASON_CHARS = 1000
CPU_SLACK_S = 2
PAGE_BYTES = resource.getpagesize()


def main(descriptor: int, owner: int, names: list[str]) -> None:
    _end_with(owner)
    logging.basicConfig(stream=sys.stderr, format="decoder %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the owner's
    jobs = {name: importlib.import_module(JOBS[name]).job for name in names}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_OPEN_FILES, MAX_OPEN_FILES))
    channel = Channel(socket.socket(fileno=descriptor))
    with contextlib.suppress(ConnectionError):  # the owner is gone
        channel.send({"ready": True})
        while (received := channel.receive()) is not None:
            channel.send(_answer(jobs, *received))


def _end_with(owner: int) -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != owner:
        os._exit(1)


def _answer(jobs: Mapping[str, Job], message: Message, descriptors: list[int]) -> Message:
    """What became of a job: its `result`, why the file is `bad`, that `memory` did not do, or that it `failed`."""
    try:
        _limit(message)
        return _done(jobs[message["job"]], message, descriptors)
    except BadMedia as error:
        return {"bad": str(error)[:MAX_REASON_CHARS]}
    except Exception as error:
        if _is_out_of_memory(error):
            return {"memory": True}
        log.exception("%r failed", message.get("job"))
        return {"failed": True}
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _done(job: Job, message: Message, descriptors: list[int]) -> Message:
    payload = mapped(descriptors[0], message["payload_bytes"], mmap.ACCESS_READ)
    output = SharedOutput(mapped(descriptors[1], message["output_bytes"], mmap.ACCESS_WRITE))
    return {"result": job(payload, message["params"], output), "num_bytes": output.num_bytes}


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def _limit(message: Message) -> None:
    """Bound memory and time of what comes: beyond these an allocation fails, and the kernel ends the process."""
    room = message["payload_bytes"] + message["output_bytes"] + message["memory_bytes"]
    _lower(resource.RLIMIT_AS, _address_space_bytes() + room)
    _lower(resource.RLIMIT_CPU, int(time.process_time() + message["timeout_s"]) + CPU_SLACK_S)


def _lower(kind: int, soft: int) -> None:
    resource.setrlimit(kind, (soft, resource.getrlimit(kind)[1]))


def _address_space_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * PAGE_BYTES


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
