"""What can go wrong, as the caller is told.

EngineError
├── InvalidRequest    the caller's mistake; the message names the field, the value and what is allowed
├── Unavailable       queue full or shutting down; the same request may go through later
├── Cancelled         the caller took the request back
├── DeadlineExceeded  it was not done in the time it had
└── Internal          our fault; its cause is in the log, never in the message
"""

import logging

log = logging.getLogger(__name__)


class EngineError(Exception):
    """Base of all errors that end a request; `status` is gRPC's name for the kind."""

    status = "INTERNAL"


class InvalidRequest(EngineError):
    """The request cannot be served as it is."""

    status = "INVALID_ARGUMENT"


class Unavailable(EngineError):
    """There is no room now, or the engine is shutting down."""

    status = "UNAVAILABLE"


class Cancelled(EngineError):
    """The caller cancelled the request."""

    status = "CANCELLED"


class DeadlineExceeded(EngineError):
    """The request, or a part of it, was not done in the time it had."""

    status = "DEADLINE_EXCEEDED"


class Internal(EngineError):
    """The engine failed; the cause was logged where it was caught."""

    def __init__(self) -> None:
        super().__init__("internal error; the server's log has the cause")


def child_error(status: str, message: str) -> EngineError:
    """The error of a called model, from what it told: its kind, so that callers further up see whose fault it was."""
    kinds: tuple[type[EngineError], ...] = (InvalidRequest, Unavailable, Cancelled, DeadlineExceeded)
    for kind in kinds:
        if kind.status == status:
            return kind(message)
    if status == "NOT_FOUND":  # Triton's word for a model that is not loaded
        return Unavailable(message)
    log.error("a called model failed: %s: %s", status, message)
    return Internal()
