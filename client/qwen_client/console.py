"""What the commands share: the result on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from qwen_client.shortfalls import of_answer
from qwen_wire.errors import InvalidRequest, QwenError


def print_error(error: QwenError, file: Path | None = None) -> None:
    """One line on stderr: which file, what went wrong, and by which id the server's log knows the request."""
    subject = f"{file}: " if file else ""
    request = f" [request {error.request_id}]" if error.request_id else ""
    line = f"error: {subject}{error.message} ({error.status}){request}"
    typer.echo(" ".join(line.split()), err=True)


def print_warning(message: str, file: Path | None = None) -> None:
    """One line on stderr: what of the result is not as it should be."""
    subject = f"{file}: " if file else ""
    typer.echo(" ".join(f"warning: {subject}{message}".split()), err=True)


def print_shortfalls(answer: Mapping[str, Any], subject: str, file: Path | None = None) -> None:
    """A line for each shortfall of a model's answer; what is missing is an error, which its command tells."""
    for kind, message in of_answer(answer, subject):
        if kind != "missing":
            print_warning(message, file)


@contextmanager
def errors_on_one_line() -> Iterator[None]:
    """Leave with exit code 1 and one line on stderr where the block raises a `QwenError` or `OSError`."""
    try:
        yield
    except QwenError as error:
        print_error(error)
        raise typer.Exit(1) from error
    except BrokenPipeError:  # nobody reads the result any more
        raise
    except OSError as error:
        print_error(InvalidRequest(str(error)))
        raise typer.Exit(1) from error


def print_json(value: Any) -> None:
    typer.echo(json_text(value, indent=2))


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON with characters as they are, where standard output has them all."""
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    return json.dumps(value, ensure_ascii=not is_unicode, indent=indent)


def require_folder(path: Path) -> None:
    """Raise at once where `path` could not be written after all the work."""
    if not path.parent.is_dir():
        raise InvalidRequest(f"{path} cannot be written: there is no folder {path.parent}")


def print_made(made: dict[str, Any], as_json: bool) -> None:
    """What was made: all about it, or the file's name."""
    if as_json:
        print_json(made)
    else:
        typer.echo(made["file"])
