"""The engine's side of structured output: each answer's grammar runs in a process; see grammar_process.py."""

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
from qwen_engine.chat.grammar_process import DONE, ERROR, MASK, MAX_MESSAGE_BYTES, TOKEN_BYTES
from qwen_wire.errors import InvalidRequest, Unavailable

log = logging.getLogger(__name__)

REPLY_TIMEOUT_S = 30.0  # the process did not even get the CPU time to reach its limits
CLOSE_TIMEOUT_S = 5.0
TOO_COSTLY = "it takes too much time or memory"


class GrammarState:
    """The state of one answer in its grammar.

    `mask`: the tokens that may come next, (words,) int32, a bit each; None: not known yet, or none may.
    `complete`: the JSON is complete.
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
        """Consume the drawn token; the next mask arrives later."""
        self.mask = None
        self._asked_s = time.monotonic()
        self.send(token.to_bytes(TOKEN_BYTES, "little"))

    def poll(self) -> bool:
        """Whether the next mask has arrived, or the JSON is complete.

        Raises:
            InvalidRequest: the schema is invalid, unsatisfiable, or too costly.
        """
        if self.mask is None and not self.complete:
            self._receive()
        return self.mask is not None or self.complete

    def wait(self, timeout_s: float) -> bool:
        """`poll` for `timeout_s` at most."""
        wait_for_any([self], timeout_s)
        return self.poll()

    def close(self) -> None:
        """Let the process end."""
        self._connection.close()

    def send(self, message: bytes) -> None:
        """Send to the process; see grammar_process.py."""
        try:
            self._connection.send(message)
        except OSError:  # it has ended; `poll` reports it
            return

    def _receive(self) -> None:
        try:
            message = self._connection.recv(MAX_MESSAGE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if time.monotonic() - self._asked_s > REPLY_TIMEOUT_S:
                raise Unavailable("OPTIONS.json_schema: the server is too busy to follow it; try again later") from None
            return
        except ConnectionError:
            message = b""
        self._take_reply(message[:1], message[1:])

    def _take_reply(self, kind: bytes, body: bytes) -> None:
        if kind == MASK:
            self.mask = np.frombuffer(body, dtype=np.int32)
        elif kind == DONE:
            self.complete = True
        else:
            raise SchemaError(body.decode(errors="replace") if kind == ERROR else TOO_COSTLY)


def wait_for_any(grammar_states: Iterable[GrammarState], timeout_s: float) -> None:
    """Until one of them has a reply, for `timeout_s` at most."""
    poll = select.poll()
    for grammar_state in grammar_states:
        poll.register(grammar_state, select.POLLIN)
    poll.poll(timeout_s * 1000)


class SchemaError(InvalidRequest):
    """An error of the grammar's compiler."""


class GrammarStates:
    """Starts a grammar for each answer. `tokenizer`: a tokenizer.json; `num_tokens`: as many as there are logits.

    Example:
        states = GrammarStates(tokenizer, num_tokens, eos_ids)
        state = states.begin('{"type": "integer"}')
        state.wait(1.0)
        state.take(draw(state.mask))
    """

    def __init__(self, tokenizer: str, num_tokens: int, eos_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer.encode()
        self._numbers = [str(number) for number in (num_tokens, *eos_ids)]
        self._changed = threading.Lock()
        self._parent = self._start()

    def begin(self, schema: str) -> GrammarState:
        """The state of a new answer, whose process compiles the schema in the background. Any thread."""
        own, remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        grammar_state = GrammarState(own)
        grammar_state.send(schema.encode())
        with remote:
            self._send_connection(remote)
        return grammar_state

    def _send_connection(self, connection: socket.socket) -> None:
        with self._changed:
            if not self._parent.is_alive():
                log.error("the grammar process has ended; another one is started")
                self._parent = self._start()
            self._parent.send_connection(connection)

    def _start(self) -> "_Parent":
        return _Parent(self._tokenizer, self._numbers)


class _Parent:
    """grammar_process.py, running; it ends with this object, or with the engine's process."""

    def __init__(self, tokenizer: bytes, numbers: Sequence[str]) -> None:
        self._control, remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with remote, tempfile.TemporaryFile() as file:
            file.write(tokenizer)
            file.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-m", grammar_process.__name__, str(remote.fileno()), str(file.fileno()), *numbers],
                pass_fds=(remote.fileno(), file.fileno()),
                stdin=subprocess.DEVNULL,
            )
        weakref.finalize(self, _end, self._process, self._control)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send_connection(self, connection: socket.socket) -> None:
        socket.send_fds(self._control, [b"x"], [connection.fileno()])


def _end(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    control.close()
    try:
        process.wait(CLOSE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
