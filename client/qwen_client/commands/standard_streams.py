"""`-` in place of a file: standard input and standard output, each once in a command."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from weakref import WeakSet

from qwen_client.console import print_error, require_folder
from qwen_wire.errors import InvalidRequest

STANDARD = "-"
_read_out: WeakSet[TextIO] = WeakSet()


def text_argument(argument: str, name: str = "TEXT") -> str:
    """A text as given, or standard input for `-`."""
    if argument != STANDARD:
        return argument
    try:
        return read_standard_input().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name}, from standard input, is not UTF-8: {error}") from error


def file_argument(path: Path) -> Path | bytes:
    """A file to send: its path, or what standard input has for `-`."""
    return read_standard_input() if str(path) == STANDARD else path


def read_standard_input() -> bytes:
    """All of it. Raises `InvalidRequest` where the command has read it already."""
    if sys.stdin in _read_out:
        raise InvalidRequest("- is standard input, which has one file: give the others by their names")
    _read_out.add(sys.stdin)
    return sys.stdin.buffer.read()


def require_output(output: Path, as_json: bool) -> None:
    """Raise at once where `output` could not be written after all the work."""
    if str(output) != STANDARD:
        require_folder(output)
    elif as_json:
        raise InvalidRequest("--json and the file for - would both go to standard output: give one of them")


def write_output(output: Path, content: Callable[[], bytes], save: Callable[[Path], None]) -> bool:
    """Write `content` to standard output for `-`, else have the file written by `save`; whether there is a file."""
    if str(output) != STANDARD:
        save(output)
        return True
    sys.stdout.buffer.write(content())
    sys.stdout.buffer.flush()
    return False


def replace_unprintable() -> None:
    """Have what a terminal or a pipe of another encoding cannot show replaced by its number."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


@contextmanager
def output_errors_on_one_line() -> Iterator[None]:
    """Leave with exit code 1 where standard output is full, and quietly where nobody reads it any more."""
    try:
        yield
    finally:
        ends_as = sys.exc_info()[1]
        try:
            sys.stdout.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or else Python tells of it at its end
            was_told = isinstance(ends_as, SystemExit) and bool(ends_as.code)
            if not was_told and not isinstance(error, BrokenPipeError):
                print_error(InvalidRequest(f"standard output cannot be written: {error}"))
            raise SystemExit(1) from None
