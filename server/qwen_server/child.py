"""Limits of the tritonserver process: its stack, the mode of its files, and its end with its parent."""

import ctypes
import os
import resource
import signal
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
OTHERS = 0o077
# Triton 2.51 puts the whole body of a form on the stack, twice, and a frame for each bracket of nested JSON: with the
# usual 8 MB, 4.3 MB of the one or 200 kB of the other end the server. The size is that of every thread; none is used
# before it is needed.
STACK_BYTES = 1 << 30
OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")
ALWAYS_COUNTED = "2"  # what is only reserved counts as used, too
# glibc would give the large temporaries of every step back to the kernel and fetch them anew page by page, a quarter of
# the codec's time on a CPU. The second is the largest value that it takes.
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(256 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
DOORS = {"AIP_MODE": ""}  # Vertex AI sets it, and Triton then opens a port more, on which 2.51 restricts nothing
ENVIRONMENT = {**ALLOCATOR, **DOORS}


def prepare_child() -> None:
    """To be called in the child, before it becomes tritonserver."""
    os.umask(OTHERS)
    die_with_parent()
    _give_threads_room()


def die_with_parent() -> None:
    """Have the kernel end the child if the supervisor is killed. To be called in the child."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _give_threads_room() -> None:
    if OVERCOMMIT.read_text().strip() == ALWAYS_COUNTED:
        return
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    size = STACK_BYTES if most == resource.RLIM_INFINITY else min(STACK_BYTES, most)
    resource.setrlimit(resource.RLIMIT_STACK, (size, most))


def kill_group(group_id: int) -> None:
    """End every process of a group, if any is left."""
    try:
        os.killpg(group_id, signal.SIGKILL)
    except ProcessLookupError:
        return
