"""Starts a program with a secret among its arguments, which ps and /proc/PID/cmdline do not show to other users.

The program is started with stand-ins for the arguments that hold the secret, and with these in its environment, which
only its user can read. It stops before its first instruction; there the pointers of `argv` are turned from the
stand-ins to the environment.
"""

import ctypes
import logging
import os
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PTRACE_TRACEME, PTRACE_DETACH = 0, 17  # linux/ptrace.h
# Of the fields of /proc/PID/stat that follow the program's name; see proc(5).
START_STACK, ENVIRONMENT_START, ENVIRONMENT_END = 25, 47, 48
WORD = struct.Struct("=Q")
STAND_IN = "(hidden)"

log = logging.getLogger(__name__)
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


def popen(
    command: Sequence[str],
    secret: str,
    *,
    env: Mapping[str, str],
    preexec_fn: Callable[[], None] = lambda: None,
    **options: Any,
) -> "subprocess.Popen[bytes]":
    """As `subprocess.Popen`. Where the kernel forbids to trace a child, the secret is seen, and a warning logged."""
    hidden = {_variable(number): argument for number, argument in enumerate(command) if secret in argument}
    shown = [argument.replace(secret, STAND_IN) for argument in command]

    def prepare() -> None:
        preexec_fn()
        _ptrace(PTRACE_TRACEME)

    try:
        process = subprocess.Popen(shown, env={**env, **hidden}, preexec_fn=prepare, **options)
    except subprocess.SubprocessError:  # in `prepare`
        return _in_the_open(command, env=env, preexec_fn=preexec_fn, **options)
    try:
        os.waitpid(process.pid, 0)
        turned = _turn(process.pid, shown)
        _ptrace(PTRACE_DETACH, process.pid)
    except OSError:  # the kernel lets nobody into its memory
        turned = False
    except BaseException:
        _end(process)
        raise
    if turned:
        return process
    _end(process)
    return _in_the_open(command, env=env, preexec_fn=preexec_fn, **options)


def _in_the_open(command: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
    log.warning("other users of this machine see a secret in the process list: %s cannot be traced", command[0])
    return subprocess.Popen(command, **options)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with process:  # waits for it, and closes its pipes
        process.kill()


def _variable(number: int) -> str:
    return f"QWEN_ARGUMENT_{number}"


def _turn(pid: int, shown: Sequence[str]) -> bool:
    """Turn the pointers of a stopped process; False where they are not those of `shown`, as with a script."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    stack, start, end = (int(fields[field]) for field in (START_STACK, ENVIRONMENT_START, ENVIRONMENT_END))
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        environment = b"\0" + os.pread(memory.fileno(), end - start, start)
        for number, argument in enumerate(shown):
            if STAND_IN not in argument:
                continue
            place = stack + WORD.size * (1 + number)  # argc lies before them
            (pointer,) = WORD.unpack(os.pread(memory.fileno(), WORD.size, place))
            if os.pread(memory.fileno(), len(argument), pointer) != argument.encode():
                return False
            name = f"\0{_variable(number)}=".encode()
            value = start - 1 + environment.index(name) + len(name)
            os.pwrite(memory.fileno(), WORD.pack(value), place)
    return True


def _ptrace(request: int, pid: int = 0) -> None:
    if _libc.ptrace(request, pid, None, None) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
