"""`qwen gateway` and `qwen mcp`."""

import asyncio
from typing import Annotated

import typer

from qwen_client.cli import app
from qwen_gateway.mcp_server import serve_stdio
from qwen_gateway.serving import serve
from qwen_gateway.settings import GatewaySettings


@app.command()
def gateway(
    triton: Annotated[str, typer.Option(help="gRPC addresses of the servers, apart by commas")] = "127.0.0.1:8001",
    triton_http: Annotated[str, typer.Option(help="their HTTP addresses, for /v2; none: it is not served")] = "",
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="port to listen on")] = 8080,
    workers: Annotated[int, typer.Option(min=1, max=64, help="processes")] = 1,
) -> None:
    """Serve the REST API and OpenAI's API in front of running servers, until Ctrl-C or SIGTERM."""
    serve(GatewaySettings(triton=_addresses(triton), triton_http=_addresses(triton_http)), host, port, workers)


@app.command()
def mcp(
    triton: Annotated[str, typer.Option(help="gRPC addresses of the servers, apart by commas")] = "127.0.0.1:8001",
) -> None:
    """Serve tools to an agent on stdin and stdout (Model Context Protocol)."""
    asyncio.run(serve_stdio(GatewaySettings(triton=_addresses(triton))))


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())
