"""Options that commands share."""

import sys
from typing import Annotated

import typer

Url = Annotated[str, typer.Option("--url", envvar="QWEN_URL", help="gRPC address of the server.")]
Tenant = Annotated[
    str | None, typer.Option("--tenant", envvar="QWEN_TENANT", help="Tenant that the requests belong to.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, help="Time limit of a request in seconds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Seed = Annotated[int, typer.Option(help="Random seed; the same seed gives the same result.")]
Heard = Annotated[
    str | None,
    typer.Option("--language", help="Language of the speech, such as English, en or en-US. Default: detect it."),
]
Context = Annotated[str, typer.Option(help="Words that are likely to occur, such as names.")]


def text_argument(argument: str) -> str:
    """A TEXT as given, or standard input for `-`."""
    return sys.stdin.read().strip() if argument == "-" else argument
