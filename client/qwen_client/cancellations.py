"""Blocking calls that are being cancelled; see `cancel_requests.py`."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from tritonclient.grpc import service_pb2

from qwen_client.cancel_requests import (
    ANSWER_S,
    ASK_AGAIN_S,
    READ_OUT_S,
    cancel_method,
    cancel_requests,
    was_found,
)

NEVER_S = float("inf")
Metadata = Iterable[tuple[str, str]]


@dataclass(eq=False)
class _Cancellation:
    """Of one call: when to ask again, and when to cancel the RPC. `asked` are held: gRPC cancels what nobody holds."""

    call: Any
    requests: list[service_pb2.ModelInferRequest]
    metadata: Metadata
    end_s: float
    next_s: float = NEVER_S
    asked: list[Any] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.call.done() and all(one.done() for one in self.asked)

    @property
    def due_s(self) -> float:
        return NEVER_S if self.call.done() else min(self.next_s, self.end_s)


class Cancellations:
    """Those of one channel, looked after by one thread, which is there while there are any.

    The thread is no daemon: a program that ends waits until what it has left is over, for about a second.
    """

    def __init__(self, channel: Any) -> None:
        self._ask_one = cancel_method(channel)
        self._under_way: list[_Cancellation] = []
        self._changed = threading.Condition()
        self._is_running = False

    def begin(self, call: Any, request: service_pb2.ModelInferRequest, metadata: Metadata) -> None:
        """Have the server end `request`, whose `call` somebody reads out; after a second, cancel the call."""
        one = _Cancellation(call, cancel_requests(request), metadata, time.monotonic() + READ_OUT_S)
        self._ask(one)
        with self._changed:
            self._under_way.append(one)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="cancellations").start()
        call.add_done_callback(self._notify)

    def wait(self, timeout_s: float) -> None:
        """Until none is under way."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, timeout_s)

    def _ask(self, one: _Cancellation) -> None:
        one.next_s = NEVER_S
        try:
            one.asked = [self._ask_one.future(request, ANSWER_S, one.metadata) for request in one.requests]
        except ValueError:  # the channel is closed, and all calls with it
            one.asked = []
        for asked in one.asked:
            asked.add_done_callback(lambda _: self._answered(one))

    def _answered(self, one: _Cancellation) -> None:
        with self._changed:
            if all(asked.done() for asked in one.asked) and not any(map(_found, one.asked)):
                one.next_s = time.monotonic() + ASK_AGAIN_S
            self._changed.notify_all()

    def _notify(self, _: object) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        while self._wait_until_due():
            for one in [*self._under_way]:
                now_s = time.monotonic()
                if now_s >= one.end_s:
                    one.call.cancel()
                elif now_s >= one.next_s:
                    self._ask(one)

    def _wait_until_due(self) -> bool:
        """False: there is nothing left to look after."""
        with self._changed:
            self._under_way = [one for one in self._under_way if not one.is_over]
            if self._under_way:
                due_s = min(one.due_s for one in self._under_way)
                self._changed.wait(min(max(0.0, due_s - time.monotonic()), ANSWER_S))
            else:
                self._is_running = False
                self._changed.notify_all()
            return self._is_running


def _found(asked: Any) -> bool:
    try:
        return was_found(asked.result())
    except grpc.RpcError:
        return False
    except grpc.FutureCancelledError:
        return False
