"""The process that compiles JSON schemas to grammars, each in a child process of its own.

A schema of a few bytes can take llguidance hours and gigabytes (`multipleOf: 9999991`; twenty patterns of which all
must match), which its own limits do not catch. So every answer has a child, forked from the process that has
loaded the tokenizer, with limits that the kernel enforces. `grammar_state.py` is the other end.

    engine                          this process              a child for each answer
    a socket of a pair    ───────>  fork with it
    the schema            ──────────────────────────────────> compile it
                          <────────────────────────────────── MASK, DONE or WRONG
    a token               ──────────────────────────────────> consume it
                          <────────────────────────────────── MASK, DONE or WRONG
"""

import gc
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

MASK, DONE, ERROR = b"M", b"D", b"W"  # allowed tokens, a bit each; the JSON is complete; an error's text
TOKEN_BYTES = 4
MAX_MESSAGE_BYTES = 128 * 1024  # below the size of a socket's buffer

COMPILE_CPU_S = 2.0
STEP_CPU_S = 0.5
ANSWER_CPU_S = 60
MAX_ADDED_BYTES = 256 * 1024**2  # beyond the tokenizer's
NICENESS = 5  # models have priority

# Between two parts of the JSON: nothing, a space, or a line break with its indentation. More would let a
# looping model write blanks without end. All options are set, so that a schema cannot set them.
WHITE_SPACE = r"(?: |\n {0,32})?"
OPTIONS: "JsonCompileOptions" = {
    "lenient": False,
    "coerce_one_of": False,
    "item_separator": ",",
    "key_separator": ":",
    "whitespace_flexible": False,
    "whitespace_pattern": WHITE_SPACE,
}
LIMITS = LLParserLimits(max_lexer_states=50_000, verbose_errors=False)


def main(control_fd: int, tokenizer_fd: int, num_tokens: int, eos_ids: list[int]) -> None:
    """Fork for every socket that comes over `control_fd`, until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine ends first, and closes its end
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for
    with open(tokenizer_fd, encoding="utf-8") as file:
        tokenizer = LLTokenizer(file.read(), n_vocab=num_tokens, eos_token=eos_ids)
    gc.freeze()
    with socket.socket(fileno=control_fd) as control:
        while connection := _next_connection(control):
            with connection, suppress(OSError):
                if os.fork() == 0:
                    control.close()
                    _run_child(connection, tokenizer)


def _next_connection(control: socket.socket) -> socket.socket | None:
    _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
    return socket.socket(fileno=descriptors[0]) if descriptors else None


def _run_child(connection: socket.socket, tokenizer: LLTokenizer) -> None:
    try:
        _limit()
        _answer(connection, tokenizer)
    finally:
        os._exit(0)


def _limit() -> None:
    """Limit memory and CPU time of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    most = size + MAX_ADDED_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (ANSWER_CPU_S, ANSWER_CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # failed allocations are reported there


def _answer(connection: socket.socket, tokenizer: LLTokenizer) -> None:
    """Follow one answer to its end."""
    schema = connection.recv(MAX_MESSAGE_BYTES)
    signal.setitimer(signal.ITIMER_PROF, COMPILE_CPU_S)  # SIGPROF ends a process that does not handle it
    try:
        grammar = LLMatcher.grammar_from_json_schema(schema.decode(), overrides=OPTIONS)
    except ValueError as error:
        connection.send(ERROR + str(error).encode())
        return
    matcher = LLMatcher(tokenizer, grammar, log_level=0, limits=LIMITS)
    connection.send(_reply(matcher))
    while token := connection.recv(TOKEN_BYTES):
        signal.setitimer(signal.ITIMER_PROF, STEP_CPU_S)
        matcher.consume_token(int.from_bytes(token, "little"))
        connection.send(_reply(matcher))


def _reply(matcher: LLMatcher) -> bytes:
    mask = b"" if matcher.is_stopped() else matcher.compute_bitmask()
    if matcher.is_error():
        return ERROR + matcher.get_error().encode()[:MAX_MESSAGE_BYTES]
    return MASK + mask if mask else DONE


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), [int(number) for number in sys.argv[4:]])
