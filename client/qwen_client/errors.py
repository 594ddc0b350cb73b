"""What a call can raise.

QwenError             carries `message`, `status` (the gRPC status name) and `request_id`
├── InvalidRequest    the caller's mistake; the message names the field, the value and what is allowed
├── Unavailable       no server or model there, or its queue is full; the same request may go through later
├── Cancelled         the call was taken back
├── DeadlineExceeded  no answer within `timeout_s`
├── ChainFailed       a stage of a chain failed; it names the stage and keeps what the others made
└── ServerError       the server failed, or its answer cannot be read
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

# How gRPC begins its message where no server was reached; a server's own message begins otherwise.
UNKNOWN_MODEL = "unknown model"
NO_CONNECTION = ("failed to connect", "errors resolving", "DNS resolution failed")

IN_ENSEMBLES = re.compile(r"^(?:in ensemble '[^']*', )+")  # Triton puts it before the error of a member


class QwenError(Exception):
    """Base of all errors of this package."""

    default_status = "UNKNOWN"

    def __init__(self, message: str, status: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status or self.default_status
        self.request_id = request_id


class InvalidRequest(QwenError):
    """The request cannot be served as it is."""

    default_status = "INVALID_ARGUMENT"


class Unavailable(QwenError):
    """The server cannot be reached, does not serve the model, or has no room now."""

    default_status = "UNAVAILABLE"


class Cancelled(QwenError):
    """The call was cancelled."""

    default_status = "CANCELLED"


class DeadlineExceeded(QwenError):
    """The answer was not complete within `timeout_s`."""

    default_status = "DEADLINE_EXCEEDED"


class ChainFailed(QwenError):
    """A `stage` of a chain failed, with that stage's status; `result` holds what the other stages made."""

    default_status = "INTERNAL"

    def __init__(self, stage: str, message: str, status: str, request_id: str, result: Any = None) -> None:
        super().__init__(f"stage {stage!r} failed: {message}", status, request_id)
        self.stage = stage
        self.result = result


class ServerError(QwenError):
    """The server failed; its log has the cause."""

    default_status = "INTERNAL"


KINDS: dict[grpc.StatusCode, type[QwenError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: Unavailable,  # Triton's word for a model that is not loaded
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}


@contextmanager
def translated(address: str, timeout_s: float, request_id: str = "") -> Iterator[None]:
    """Raise what gRPC raises inside as a `QwenError`."""
    try:
        yield
    except grpc.RpcError as error:
        kind = KINDS.get(error.code(), ServerError)
        _, details = _status_and_message(error.details() or "")
        raise kind(_message(kind, details, address, timeout_s), error.code().name, request_id) from error


def refusal(text: str, request_id: str) -> QwenError:
    """The error that a stream told as text: our models put the status in front, Triton itself does not."""
    status, message = _status_and_message(text)
    if status is None and UNKNOWN_MODEL in text:
        status = grpc.StatusCode.NOT_FOUND
    kind = KINDS.get(status, ServerError) if status else ServerError
    return kind(message, status.name if status else "", request_id)


def _status_and_message(text: str) -> tuple[grpc.StatusCode | None, str]:
    name, separator, message = IN_ENSEMBLES.sub("", text).partition(": ")
    if separator and name in grpc.StatusCode.__members__:
        return grpc.StatusCode[name], message
    return None, text


def _message(kind: type[QwenError], details: str, address: str, timeout_s: float) -> str:
    if kind is DeadlineExceeded:
        return f"no complete answer from {address} within {timeout_s:g} s; a larger timeout allows more"
    if details.startswith(NO_CONNECTION):
        return f"no gRPC server answers at {address}; `qwen serve` starts one"
    return details or f"the server at {address} gave no reason"
