"""What every command that calls a server has: its options, the client they open, and errors on one line."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from qwen_client.client import DEFAULT_TIMEOUT_S, Client
from qwen_client.connection import ADDRESS_VARIABLE, DEFAULT_ADDRESS, Tls
from qwen_client.console import errors_on_one_line
from qwen_wire.errors import InvalidRequest

Url = Annotated[
    str, typer.Option("--url", envvar=ADDRESS_VARIABLE, help="gRPC address of the server; grpcs://HOST:PORT for TLS.")
]
Tenant = Annotated[
    str | None, typer.Option("--tenant", envvar="QWEN_TENANT", help="Tenant that the requests belong to.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, help="Time limit of a request in seconds.")]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", envvar="QWEN_CA_FILE", help="Certificates to trust the server by (PEM).")
]
Metadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", envvar="QWEN_METADATA", help="KEY=VALUE, sent with each request; may be repeated."),
]


@dataclass(frozen=True)
class ServerOptions:
    """The options by which a command reaches a server."""

    url: str
    tenant: str | None
    timeout_s: float
    ca_file: Path | None
    metadata: list[str] | None

    def client(self, grace_s: float = 0.0) -> Client:
        """`grace_s` more for each request than its time limit."""
        tls = None if self.ca_file is None else Tls(ca_file=self.ca_file)
        metadata = dict(map(_pair, self.metadata or []))
        return Client(self.url, timeout_s=self.timeout_s + grace_s, tenant=self.tenant, tls=tls, metadata=metadata)


def calls_server(timeout_s: float = DEFAULT_TIMEOUT_S) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds --url, --tenant, --timeout and the like to a command, whose first parameter is the `Client` that they open.

    Example:
        @calls_server()
        def say(client: Client, text: Text) -> None:
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def call(**arguments: Any) -> None:
            with errors_on_one_line(), take_server_options(arguments).client() as client:
                command(client, **arguments)

        _, *own = inspect.signature(command).parameters.values()
        return with_parameters(call, command, [*own, *server_options(timeout_s)])

    return decorate


def server_options(timeout_s: float) -> list[Parameter]:
    """The parameters of a command that are its `ServerOptions`."""
    return [
        parameter("url", Url, DEFAULT_ADDRESS),
        parameter("tenant", Tenant, None),
        parameter("timeout_s", Timeout, timeout_s),
        parameter("ca_file", CaFile, None),
        parameter("metadata", Metadata, None),
    ]


def take_server_options(arguments: dict[str, Any]) -> ServerOptions:
    """Those in the `arguments` of a command, which keep the others."""
    return ServerOptions(**{one.name: arguments.pop(one.name) for one in fields(ServerOptions)})


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


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise InvalidRequest("--metadata: give KEY=VALUE")
    return key, value
