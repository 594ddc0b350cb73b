"""Options that commands share."""

import sys
from typing import Annotated

import typer

Url = Annotated[str, typer.Option("--url", envvar="QWEN_URL", help="gRPC address of the server.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, help="Seconds a request may take.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]
Heard = Annotated[str | None, typer.Option("--language", help="Name or ISO code; left out: detected.")]
Context = Annotated[str, typer.Option(help="Words to expect, such as names.")]


def text_argument(argument: str) -> str:
    """A TEXT as given, or standard input for `-`."""
    return sys.stdin.read().strip() if argument == "-" else argument
