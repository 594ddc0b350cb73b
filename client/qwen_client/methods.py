"""Turns functions that plan a job into methods of both clients.

Each method's signature and documentation are written once, at its plan.
"""

import inspect
from collections.abc import Callable, Coroutine
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from qwen_client.jobs import EventT, ResultT, StreamJob
from qwen_client.stream import AsyncStream, Stream
from qwen_client.transport import AnyJob, AsyncTransport, Transport

P = ParamSpec("P")
PlanT = TypeVar("PlanT")
AsyncResultT = TypeVar("AsyncResultT")
TransportT = TypeVar("TransportT", Transport, AsyncTransport)


class Service(Generic[TransportT]):
    """A group of methods: they block on a `Transport` and are awaited on an `AsyncTransport`."""

    def __init__(self, transport: TransportT) -> None:
        self.transport: TransportT = transport


class Method(Generic[P, ResultT, AsyncResultT]):
    """A method of a `Service` that runs a plan."""

    def __init__(
        self,
        plan: Callable[P, Any],
        blocking: Callable[Concatenate[Service[Transport], P], ResultT],
        asynchronous: Callable[Concatenate[Service[AsyncTransport], P], AsyncResultT],
    ) -> None:
        self._plan = plan
        self._functions = (blocking, asynchronous)

    def __set_name__(self, owner: type, name: str) -> None:
        for function in self._functions:
            _describe(function, self._plan, name)

    @overload
    def __get__(self, service: None, owner: type) -> Callable[..., Any]: ...

    @overload
    def __get__(self, service: Service[Transport], owner: type) -> Callable[P, ResultT]: ...

    @overload
    def __get__(self, service: Service[AsyncTransport], owner: type) -> Callable[P, AsyncResultT]: ...

    def __get__(self, service: Service[Any] | None, owner: type) -> Callable[..., Any]:
        blocking, asynchronous = self._functions
        if service is None:
            return blocking
        return MethodType(asynchronous if isinstance(service.transport, AsyncTransport) else blocking, service)


def running(plan: Callable[P, AnyJob[ResultT]]) -> Method[P, ResultT, Coroutine[Any, Any, ResultT]]:
    """A method that returns the result of the planned job."""

    def run(service: Service[Transport], /, *args: P.args, **kwargs: P.kwargs) -> ResultT:
        return service.transport.run(plan(*args, **kwargs))

    async def run_async(service: Service[AsyncTransport], /, *args: P.args, **kwargs: P.kwargs) -> ResultT:
        return await service.transport.run(plan(*args, **kwargs))

    return Method(plan, run, run_async)


def streaming(plan: Callable[P, StreamJob[EventT, Any]]) -> Method[P, Stream[EventT], AsyncStream[EventT]]:
    """A method that returns the events of the planned job."""

    return handing(plan, Transport.open, AsyncTransport.open)


def handing(
    plan: Callable[P, PlanT],
    run: Callable[[Transport, PlanT], ResultT],
    run_async: Callable[[AsyncTransport, PlanT], AsyncResultT],
) -> Method[P, ResultT, AsyncResultT]:
    """A method that hands the plan to `run` or `run_async`."""

    def hand(service: Service[Transport], /, *args: P.args, **kwargs: P.kwargs) -> ResultT:
        return run(service.transport, plan(*args, **kwargs))

    def hand_async(service: Service[AsyncTransport], /, *args: P.args, **kwargs: P.kwargs) -> AsyncResultT:
        return run_async(service.transport, plan(*args, **kwargs))

    return Method(plan, hand, hand_async)


def _describe(function: Callable[..., Any], plan: Callable[..., Any], name: str) -> None:
    """Give `function` the documentation and the parameters of `plan`, for `help` and for editors."""
    signature = inspect.signature(plan)
    receiver = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    function.__name__ = name
    function.__doc__ = plan.__doc__
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[receiver, *signature.parameters.values()], return_annotation=inspect.Signature.empty
    )
