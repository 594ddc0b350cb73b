"""What a decoder process and its owner say to each other: a JSON object a message, and the memory that goes with it.

A file and what becomes of it are too large for a message, and to copy hours of sound costs seconds: both lie in memory
that the processes share. Its size is sealed: whoever maps it can rely on it, whatever the other side does.
"""

import array
import fcntl
import json
import mmap
import os
import select
import socket
from collections.abc import Mapping, Sequence
from typing import Any

MAX_MESSAGE_BYTES = 1 << 16
MAX_DESCRIPTORS = 2
DESCRIPTOR_BYTES = array.array("i").itemsize
SIZE_SEALS = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
Message = dict[str, Any]


class Channel:
    """One end of a connection that keeps messages whole."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @classmethod
    def pair(cls) -> tuple["Channel", socket.socket]:
        """One end, and the socket of the other."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), theirs

    def send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Raises `OSError` where nobody is at the other end."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self._connection.sendmsg([json.dumps(message).encode()], rights, socket.MSG_NOSIGNAL)

    def receive(self) -> tuple[Message, list[int]] | None:
        """The next message and the descriptors that came with it; None where the other end is gone.

        Raises:
            ConnectionResetError: it is gone, and has not received the last message.
            ValueError: what came is no message.
        """
        data, rights, _, _ = self._connection.recvmsg(
            MAX_MESSAGE_BYTES, socket.CMSG_SPACE(MAX_DESCRIPTORS * DESCRIPTOR_BYTES), socket.MSG_CMSG_CLOEXEC
        )
        descriptors = array.array("i")
        for level, kind, packed in rights:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(packed[: len(packed) // DESCRIPTOR_BYTES * DESCRIPTOR_BYTES])
        return (json.loads(data), list(descriptors)) if data else None

    def wait(self, timeout_s: float) -> bool:
        """Until something can be received, for `timeout_s` at most."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def close(self) -> None:
        self._connection.close()


def shared_memory(num_bytes: int) -> int:
    """A descriptor of `num_bytes` of zeros, which take no room before they are written."""
    descriptor = os.memfd_create("qwen-media", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, num_bytes)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SIZE_SEALS)
    return descriptor


def shared_copy(data: bytes | memoryview) -> int:
    """A descriptor of shared memory with `data` in it."""
    descriptor = shared_memory(len(data))
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, memoryview(data)[written:], written)
    return descriptor


def mapped(descriptor: int, num_bytes: int, access: int) -> memoryview:
    """The first `num_bytes` behind a descriptor, which may then be closed."""
    return memoryview(mmap.mmap(descriptor, num_bytes, access=access)) if num_bytes else memoryview(bytearray())
