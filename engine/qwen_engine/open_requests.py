"""Requests that are under way, by the ids of their callers: so that another request can end them.

An id is the proof that a request is one's own, so it has to be one that nobody guesses: of those that are shorter than
`MIN_ID_CHARS` ("1", "request-7") none is kept, and what has one is ended by leaving it.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Generic, TypeVar

from pydantic import ValidationError

from qwen_engine.messages import Caller, Inputs
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import MAX_OPTIONS_BYTES, CancelOptions

RequestT = TypeVar("RequestT")

MIN_ID_CHARS = 16


def cancelled_id(inputs: Inputs) -> str | None:
    """The id of the request that this one is there to end; None: it is there for something else.

    It is in OPTIONS.cancel, or it is this one's own where the tensor `stop` is true, as in TensorRT-LLM.

    What is no such OPTIONS is for the model to refuse.

    Raises:
        InvalidRequest: OPTIONS.cancel is an id that could be guessed. `stop` with such an id ends nothing: clients of
            TensorRT-LLM send it after everything that they have read to its end.
    """
    if inputs.number("stop"):
        return inputs.caller.request_id
    if len(inputs["OPTIONS"]) > MAX_OPTIONS_BYTES:
        return None
    try:
        request_id = CancelOptions.model_validate_json(inputs["OPTIONS"]).cancel
    except ValidationError:
        return None
    if request_id is not None and len(request_id) < MIN_ID_CHARS:
        raise InvalidRequest(
            f"OPTIONS.cancel is {request_id!r}: an id of fewer than {MIN_ID_CHARS} characters may be guessed, so what "
            "has one cannot be cancelled by it; give requests random ids, such as UUIDs"
        )
    return request_id


class OpenRequests(Generic[RequestT]):
    """Those of one model. `cancel` is called with each that is to end, on the thread that asks for it.

    Ids are the callers' own: one that names several requests at a time names them all, as only their caller knows it.
    """

    def __init__(self, cancel: Callable[[RequestT], None]) -> None:
        self._cancel = cancel
        self._open: dict[tuple[str, str], list[RequestT]] = defaultdict(list)
        self._changed = threading.Lock()

    def add(self, caller: Caller, request: RequestT) -> None:
        if len(caller.request_id) >= MIN_ID_CHARS:
            with self._changed:
                self._open[caller.tenant, caller.request_id].append(request)

    def remove(self, caller: Caller, request: RequestT) -> None:
        """Does nothing to one that is not there."""
        key = caller.tenant, caller.request_id
        with self._changed:
            left = [one for one in self._open.get(key, ()) if one is not request]
            if left:
                self._open[key] = left
            else:
                self._open.pop(key, None)

    def cancel(self, caller: Caller, request_id: str) -> bool:
        """End what the tenant of `caller` has open under this id; whether there was any."""
        with self._changed:
            found = list(self._open.get((caller.tenant, request_id), ()))
        for request in found:
            self._cancel(request)
        return bool(found)
