"""What every command that calls a server has: its options, the client they open, and errors on one line."""

import inspect
from collections.abc import Callable, Sequence
from inspect import Parameter
from typing import Annotated, Any

import typer

from qwen_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Client
from qwen_client.console import errors_on_one_line

Url = Annotated[str, typer.Option("--url", envvar="QWEN_URL", help="gRPC address of the server.")]
Tenant = Annotated[
    str | None, typer.Option("--tenant", envvar="QWEN_TENANT", help="Tenant that the requests belong to.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, help="Time limit of a request in seconds.")]


def calls_server(timeout_s: float = DEFAULT_TIMEOUT_S) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds --url, --tenant and --timeout to a command, whose first parameter is the `Client` that they open.

    Example:
        @calls_server()
        def say(client: Client, text: Text) -> None:
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def call(url: str, tenant: str | None, timeout_s: float, **arguments: Any) -> None:
            with errors_on_one_line(), Client(url, timeout_s=timeout_s, tenant=tenant) as client:
                command(client, **arguments)

        _, *own = inspect.signature(command).parameters.values()
        return with_parameters(call, command, [*own, *server_options(timeout_s)])

    return decorate


def server_options(timeout_s: float) -> list[Parameter]:
    """url, tenant and timeout_s."""
    return [
        parameter("url", Url, DEFAULT_ADDRESS),
        parameter("tenant", Tenant, None),
        parameter("timeout_s", Timeout, timeout_s),
    ]


def parameter(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def with_parameters(
    function: Callable[..., None], command: Callable[..., Any], parameters: Sequence[Parameter]
) -> Callable[..., None]:
    """`function`, which Typer reads as `command` with these `parameters`."""
    function.__name__ = command.__name__
    function.__module__ = command.__module__
    function.__doc__ = command.__doc__
    keywords = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in parameters]
    function.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    function.__annotations__ = {one.name: one.annotation for one in keywords}
    return function
