"""What gRPC and Triton tell of a call that failed, as the errors of `qwen_wire.errors`."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from qwen_wire.errors import Cancelled, DeadlineExceeded, InvalidRequest, QwenError, kind_of

# How gRPC begins its message where no server was reached; a server's own message begins otherwise.
UNKNOWN_MODEL = "unknown model"
NO_CONNECTION = ("failed to connect", "errors resolving", "DNS resolution failed")
NOT_STARTED = "Internal error from Core"  # of a call whose deadline was over before it could begin
ADDRESS = re.compile(r"\b(?:ipv4|ipv6|unix|localhost):|\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]:\d")

IN_ENSEMBLES = re.compile(r"^(?:in ensemble '[^']*', )+")  # Triton puts it before the error of a member


@contextmanager
def translated(address: str, timeout_s: float, request_id: str = "") -> Iterator[None]:
    """Raise what gRPC raises inside as a `QwenError`."""
    try:
        yield
    except grpc.RpcError as error:
        status, details = _status_and_details(error)
        kind = kind_of(status)
        raise kind(_message(kind, details, address, timeout_s), status, request_id) from error
    except grpc.FutureCancelledError as error:
        raise Cancelled("the call was cancelled", request_id=request_id) from error
    except (ValueError, grpc.aio.UsageError) as error:  # which is how gRPC tells of a closed channel
        if "closed" not in str(error).lower():
            raise
        raise InvalidRequest("this client is closed", request_id=request_id) from error


@contextmanager
def translated_inside(model: str, timeout_s: float) -> Iterator[None]:
    """The same for calls between models of a server: the message has no address inside the server."""
    end_s = time.monotonic() + timeout_s
    try:
        yield
    except grpc.RpcError as error:
        status, details = _status_and_details(error)
        if details == NOT_STARTED and time.monotonic() >= end_s:
            status = DeadlineExceeded.default_status
        kind = kind_of(status)
        raise kind(_inner_message(kind, details, model, timeout_s), status) from error


def refusal(text: str, request_id: str) -> QwenError:
    """The error that a stream sent as text: our models put the status in front, Triton itself does not."""
    status, message = _status_and_message(text)
    if not status and UNKNOWN_MODEL in text:
        status = "NOT_FOUND"
    return kind_of(status)(message, status, request_id)


def _status_and_details(error: grpc.RpcError) -> tuple[str, str]:
    """The status and the message of a call."""
    own_status, details = _status_and_message(error.details() or "")
    # Triton has no code of its own for a deadline.
    return (own_status if own_status == DeadlineExceeded.default_status else error.code().name), details


def _status_and_message(text: str) -> tuple[str, str]:
    name, separator, message = IN_ENSEMBLES.sub("", text).partition(": ")
    if separator and name in grpc.StatusCode.__members__:
        return name, message
    return "", text


def _message(kind: type[QwenError], details: str, address: str, timeout_s: float) -> str:
    if kind is DeadlineExceeded:
        return f"no complete answer from {address} within {timeout_s:g} s; a larger timeout allows more"
    if details.startswith(NO_CONNECTION):
        return f"no gRPC server answers at {address}; `qwen serve` starts one"
    return details or f"the server at {address} gave no reason"


def _inner_message(kind: type[QwenError], details: str, model: str, timeout_s: float) -> str:
    if kind is DeadlineExceeded:
        return f"{model} was not done within {timeout_s:.3g} s"
    if details.startswith(NO_CONNECTION) or ADDRESS.search(details):
        return f"{model} cannot be reached"
    return details or f"{model} gave no reason"
