"""Turns functions that plan a job into client methods that run it.

Each method's signature and documentation are written once, at its plan, for both clients.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from qwen_client.jobs import EventT, ResultT, StreamJob
from qwen_client.stream import AsyncStream, Stream
from qwen_client.transport import AnyJob, AsyncTransport, Transport

P = ParamSpec("P")
PlanT = TypeVar("PlanT")
TransportT = TypeVar("TransportT", Transport, AsyncTransport)
MethodT = TypeVar("MethodT", bound=Callable[..., Any])


class Service:
    """A group of methods that block."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


class AsyncService:
    """A group of methods to await."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport


def running(plan: Callable[P, AnyJob[ResultT]]) -> Callable[Concatenate[Service, P], ResultT]:
    """A method that returns the result of the planned job."""

    def method(self: Service, /, *args: P.args, **kwargs: P.kwargs) -> ResultT:
        return self._transport.run(plan(*args, **kwargs))

    return _described(method, plan, plan.__name__)


def streaming(plan: Callable[P, StreamJob[EventT, Any]]) -> Callable[Concatenate[Service, P], Stream[EventT]]:
    """A method that returns the events of the planned job."""

    def method(self: Service, /, *args: P.args, **kwargs: P.kwargs) -> Stream[EventT]:
        return self._transport.open(plan(*args, **kwargs))

    return _described(method, plan, "stream")


def awaiting(
    plan: Callable[P, AnyJob[ResultT]],
) -> Callable[Concatenate[AsyncService, P], Coroutine[Any, Any, ResultT]]:
    """As `running`, for `AsyncClient`."""

    async def method(self: AsyncService, /, *args: P.args, **kwargs: P.kwargs) -> ResultT:
        return await self._transport.run(plan(*args, **kwargs))

    return _described(method, plan, plan.__name__)


def async_streaming(
    plan: Callable[P, StreamJob[EventT, Any]],
) -> Callable[Concatenate[AsyncService, P], AsyncStream[EventT]]:
    """As `streaming`, for `AsyncClient`."""

    def method(self: AsyncService, /, *args: P.args, **kwargs: P.kwargs) -> AsyncStream[EventT]:
        return self._transport.open(plan(*args, **kwargs))

    return _described(method, plan, "stream")


def handing(
    run: Callable[[TransportT, PlanT], ResultT], plan: Callable[P, PlanT]
) -> Callable[Concatenate[Any, P], ResultT]:
    """A method of either client that hands the plan to `run`."""

    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> ResultT:
        return run(self._transport, plan(*args, **kwargs))

    return _described(method, plan, plan.__name__)


def _described(method: MethodT, plan: Callable[..., Any], name: str) -> MethodT:
    """Give `method` the documentation and the parameters of `plan`, for `help` and for editors."""
    signature = inspect.signature(plan)
    receiver = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__name__ = name
    method.__doc__ = plan.__doc__
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[receiver, *signature.parameters.values()], return_annotation=inspect.Signature.empty
    )
    return method
