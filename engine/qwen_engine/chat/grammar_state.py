"""Guards keep answers to their schemas, each in a process that can be killed; see guard_process.py."""

import logging
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Sequence

import numpy as np

from qwen_engine.chat import grammar_process
from qwen_engine.chat.grammar_process import DONE, MASK, MAX_MESSAGE_BYTES, TOKEN_BYTES, WRONG
from qwen_wire.errors import InvalidRequest, Unavailable

log = logging.getLogger(__name__)

GIVE_UP_S = 30.0  # a process that has not even had the time to reach its limits: there are too many
CLOSE_TIMEOUT_S = 5.0
TOO_COSTLY = "it takes too much time or memory"


class GrammarState:
    """Where one answer stands in its schema.

    `mask`: what may come next, (words,) int32, a bit a token; None: not known yet, or nothing may.
    `complete`: the JSON is whole, and nothing may follow.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.mask: np.ndarray | None = None
        self.complete = False
        self._connection = connection
        self._asked_s = time.monotonic()

    def fileno(self) -> int:
        """For `wait_for_any`."""
        return self._connection.fileno()

    def take(self, token: int) -> None:
        """Go on by the token that was drawn; what may follow is known some time later."""
        self.mask = None
        self._asked_s = time.monotonic()
        self.send(token.to_bytes(TOKEN_BYTES, "little"))

    def listen(self) -> bool:
        """Whether it is known by now what may come next.

        Raises:
            InvalidRequest: the schema is wrong, leads nowhere, or costs too much.
        """
        if self.mask is None and not self.complete:
            self._receive()
        return self.mask is not None or self.complete

    def wait(self, timeout_s: float) -> bool:
        """`listen` for so long."""
        wait_for_any([self], timeout_s)
        return self.listen()

    def close(self) -> None:
        """Let the process end."""
        self._connection.close()

    def send(self, message: bytes) -> None:
        """To the process, as guard_process.py says."""
        try:
            self._connection.send(message)
        except OSError:  # it has ended, which is heard where it should have answered
            return

    def _receive(self) -> None:
        try:
            message = self._connection.recv(MAX_MESSAGE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if time.monotonic() - self._asked_s > GIVE_UP_S:
                raise Unavailable("OPTIONS.json_schema: the server is too busy to follow it; try again later") from None
            return
        except ConnectionError:
            message = b""
        self._understand(message[:1], message[1:])

    def _understand(self, kind: bytes, told: bytes) -> None:
        if kind == MASK:
            self.mask = np.frombuffer(told, dtype=np.int32)
        elif kind == DONE:
            self.complete = True
        else:
            raise WrongSchema(told.decode(errors="replace") if kind == WRONG else TOO_COSTLY)


def wait_for_any(grammar_states: Iterable[GrammarState], timeout_s: float) -> None:
    """Until one of them has something to tell, or for so long."""
    poll = select.poll()
    for grammar_state in grammar_states:
        poll.register(grammar_state, select.POLLIN)
    poll.poll(timeout_s * 1000)


class WrongSchema(InvalidRequest):
    """Says what the grammar's compiler says."""


class GrammarStates:
    """The process whose children are guards. `tokenizer`: a tokenizer.json; `num_tokens`: as many as there are logits.

    Example:
        guards = Guards(tokenizer, num_tokens, eos_ids)
        guard = guards.begin('{"type": "integer"}')
        guard.wait(1.0)
        guard.take(drawn_from(guard.mask))
    """

    def __init__(self, tokenizer: str, num_tokens: int, eos_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer.encode()
        self._numbers = [str(number) for number in (num_tokens, *eos_ids)]
        self._changed = threading.Lock()
        self._parent = self._start()

    def begin(self, schema: str) -> GrammarState:
        """A guard for one answer; its process compiles the schema meanwhile. Any thread."""
        own, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        grammar_state = GrammarState(own)
        grammar_state.send(schema.encode())
        with others:
            self._hand_over(others)
        return grammar_state

    def _hand_over(self, connection: socket.socket) -> None:
        with self._changed:
            if not self._parent.is_alive():
                log.error("the process that forks guards has ended; another one is started")
                self._parent = self._start()
            self._parent.hand_over(connection)

    def _start(self) -> "_Parent":
        return _Parent(self._tokenizer, self._numbers)


class _Parent:
    """guard_process.py, running; it ends where this is forgotten, or its own parent ends."""

    def __init__(self, tokenizer: bytes, numbers: Sequence[str]) -> None:
        self._control, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with others, tempfile.TemporaryFile() as file:
            file.write(tokenizer)
            file.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-m", grammar_process.__name__, str(others.fileno()), str(file.fileno()), *numbers],
                pass_fds=(others.fileno(), file.fileno()),
                stdin=subprocess.DEVNULL,
            )
        weakref.finalize(self, _end, self._process, self._control)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def hand_over(self, connection: socket.socket) -> None:
        socket.send_fds(self._control, [b"x"], [connection.fileno()])


def _end(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    control.close()
    try:
        process.wait(CLOSE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
