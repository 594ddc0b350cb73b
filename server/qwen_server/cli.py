"""`qwen`: the client's commands (transcribe, say, draw) and the server's (serve, doctor, pull, demo)."""

import json
import signal
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from qwen_client.cli import app
from qwen_server import checkpoints, doctor, staging
from qwen_server.address import numeric_host
from qwen_server.demo import run_demo
from qwen_server.errors import ServerError
from qwen_server.gateway_process import GatewayProcess
from qwen_server.profiles import load_profile
from qwen_server.triton_process import Address, TritonProcess

console = Console(stderr=True)

ProfileOption = Annotated[str, typer.Option("--profile", "-p", envvar="QWEN_PROFILE", help="name or path of a profile")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]


class _Stop(Exception):
    """SIGINT or SIGTERM arrived."""


@app.command()
def serve(
    profile: ProfileOption = "demo",
    host: Annotated[
        str, typer.Option(help="address to listen on, of IPv4 or IPv6, or a name of this machine")
    ] = "127.0.0.1",
    http_port: int = 8000,
    grpc_port: int = 8001,
    metrics_port: int = 8002,
    port: Annotated[int, typer.Option(help="port of the gateway, which serves REST and OpenAI's API")] = 8080,
    gateway: Annotated[bool, typer.Option(help="whether the gateway is started, too")] = True,
    log_file: Annotated[Path | None, typer.Option(help="Triton's log")] = None,
    triton_flags: Annotated[
        list[str] | None,
        typer.Argument(metavar="TRITON_FLAGS", help="after --: more flags for tritonserver", show_default=False),
    ] = None,
) -> None:
    """Start the server and keep it in the foreground; Ctrl-C or SIGTERM ends it after requests in flight."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _raise_stop)
    try:
        address = Address(numeric_host(host), http_port, grpc_port, metrics_port)
        server = TritonProcess(load_profile(profile), address, log_file, triton_flags or ())
        _serve(server, profile, GatewayProcess.beside(server, port) if gateway else None)
    except ServerError as error:
        _complain(error)


def _serve(server: TritonProcess, profile: str, gateway: GatewayProcess | None) -> None:
    try:
        with server, gateway or nullcontext():
            with console.status(f"loading {profile}; log: {server.log_file}"):
                server.wait_ready()
                if gateway is not None:
                    gateway.wait_ready()
            door = "" if gateway is None else f"; REST and OpenAI's API at {gateway.url}"
            where = f"grpc {server.address.grpc}, {server.address.http}{door}"
            console.print(f"ready: {', '.join(server.models)} at {where}", soft_wrap=True)
            status = server.wait((lambda: None) if gateway is None else partial(gateway.keep_running, console.print))
            raise ServerError(f"tritonserver ended by itself with status {status}; see {server.log_file}")
    except _Stop:
        console.print("stopped")


@app.command(name="doctor")
def doctor_command(profile: ProfileOption = "demo", as_json: JsonOption = False) -> None:
    """Check whether this machine can serve a profile, and print how to fix each problem."""
    checks = doctor.examine(profile)
    doctor.report(checks, as_json=as_json)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@app.command()
def pull(
    profile: Annotated[str, typer.Argument(help="name or path of a profile")], as_json: JsonOption = False
) -> None:
    """Download the checkpoints that a profile names."""
    try:
        folders = checkpoints.pull(load_profile(profile))
    except ServerError as error:
        _complain(error)
    if as_json:
        print(json.dumps({name: str(folder) for name, folder in folders.items()}, indent=2))
    else:
        print("\n".join(f"{name}: {folder}" for name, folder in folders.items()))


@app.command()
def stage(
    profile: Annotated[str, typer.Argument(help="name or path of a profile")],
    out: Annotated[Path, typer.Option(help="new folder for the model repository")],
    grpc_address: Annotated[
        str, typer.Option(help="where chains will reach the server's gRPC port")
    ] = "127.0.0.1:8001",
    as_json: JsonOption = False,
) -> None:
    """Write a complete model repository, which tritonserver loads without this command."""
    try:
        names = staging.write(load_profile(profile), out, grpc_address)
    except ServerError as error:
        _complain(error)
    print(json.dumps({"model_repository": str(out), "models": names}, indent=2) if as_json else "\n".join(names))


@app.command()
def demo(
    profile: ProfileOption = "demo",
    out: Annotated[Path, typer.Option(help="folder for the results")] = Path("out"),
    as_json: JsonOption = False,
) -> None:
    """Start a server, draw what a recording asks for, answer a spoken message, and stop the server."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _raise_stop)
    try:
        run_demo(profile, out, as_json=as_json)
    except ServerError as error:
        _complain(error)
    except _Stop:
        console.print("stopped")


def _raise_stop(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C must not cut the clean-up short
        signal.signal(number, signal.SIG_IGN)
    raise _Stop


def _complain(error: ServerError) -> NoReturn:
    console.print(f"error: {error}", style="red", highlight=False)
    raise typer.Exit(1)
