"""What can go wrong: one tree for the server, which raises an error, and for the client, which raises it again.

QwenError             carries `message`, `status` (gRPC's name for the kind) and `request_id`
├── InvalidRequest    the caller's mistake; the message names the field, the value and what is allowed
├── Unavailable       no server, model or room, or it is shutting down; the same request may go through later
├── Cancelled         the caller took the request back
├── DeadlineExceeded  it was not done in the time it had
├── ChainFailed       a stage of a chain failed; it names the stage and keeps what the others made
└── ServerError       our fault; its cause is in the server's log, never in the message
"""

from itertools import accumulate
from typing import Any

# gRPC carries a message in a header, each byte that is not printable ASCII as three, and clients take 8 kB of headers.
MAX_MESSAGE_BYTES = 3000
ENDING_BYTES = 600  # kept of a message that is cut: what is allowed stands at its end
HIDDEN = "\ufffd"


class QwenError(Exception):
    """Base of all errors that end a request.

    Messages quote what callers sent, so they are cut where they are too long for a header.
    """

    default_status = "UNKNOWN"

    def __init__(self, message: str, status: str = "", request_id: str = "") -> None:
        self.message = _sendable(message)
        super().__init__(self.message)
        self.status = status or self.default_status
        self.request_id = request_id

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors go through pickles, as between processes, with all that they carry."""
        return _restored, (type(self), self.args, dict(self.__dict__))


def _restored(kind: type[QwenError], args: tuple[Any, ...], fields: dict[str, Any]) -> QwenError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class InvalidRequest(QwenError):
    """The request cannot be served as it is."""

    default_status = "INVALID_ARGUMENT"


class Unavailable(QwenError):
    """The server cannot be reached, does not serve the model, has no room now, or is shutting down."""

    default_status = "UNAVAILABLE"


class Cancelled(QwenError):
    """The caller cancelled the request."""

    default_status = "CANCELLED"


class DeadlineExceeded(QwenError):
    """The request, or a part of it, was not done in the time it had."""

    default_status = "DEADLINE_EXCEEDED"


class ServerError(QwenError):
    """The server failed, or its answer cannot be read. The cause was logged where it was caught."""

    default_status = "INTERNAL"

    def __init__(
        self, message: str = "internal error; the server's log has the cause", status: str = "", request_id: str = ""
    ) -> None:
        super().__init__(message, status, request_id)


class ChainFailed(QwenError):
    """A `stage` of a chain failed, with that stage's status; `result` holds what the other stages made."""

    default_status = "INTERNAL"

    def __init__(self, stage: str, message: str, status: str, request_id: str, result: Any = None) -> None:
        super().__init__(f"stage {stage!r} failed: {message}", status, request_id)
        self.stage = stage
        self.result = result


KINDS: dict[str, type[QwenError]] = {
    **{kind.default_status: kind for kind in (InvalidRequest, Unavailable, Cancelled, DeadlineExceeded)},
    "NOT_FOUND": Unavailable,  # Triton's word for a model that is not loaded
}


def kind_of(status: str) -> type[QwenError]:
    """The error that gRPC's name of a status stands for; `ServerError` for those that say nothing to a caller."""
    return KINDS.get(status, ServerError)


def _sendable(message: str) -> str:
    """Valid Unicode without NUL, of MAX_MESSAGE_BYTES at most."""
    text = message.encode(errors="replace").decode().replace("\0", HIDDEN)
    if len(_beginning(text, MAX_MESSAGE_BYTES)) == len(text):
        return text
    ending = _beginning(text[::-1], ENDING_BYTES)[::-1]
    return f"{_beginning(text, MAX_MESSAGE_BYTES - ENDING_BYTES)} […] {ending}"


def _beginning(text: str, num_bytes: int) -> str:
    """As much of a text as takes `num_bytes` in a header."""
    sizes = accumulate(1 if " " <= one <= "~" else 3 * len(one.encode()) for one in text[:num_bytes])
    return text[: sum(size <= num_bytes for size in sizes)]
