"""`qwen chat`."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from qwen_client.chat import ChatDelta
from qwen_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Client
from qwen_client.commands.options import AsJson, Seed, Timeout, Url, text_argument
from qwen_client.console import errors_on_one_line, print_error, print_json
from qwen_client.errors import InvalidRequest, QwenError
from qwen_client.stream import Stream

PROMPT = "> "
THINKING_STYLE = "bright_black"


def chat(
    text: Annotated[
        str | None, typer.Argument(help="What to ask; - reads standard input. Left out: a conversation.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="Who answers, and how.")] = None,
    thinking: Annotated[
        bool, typer.Option("--thinking", help="Think first; shown in grey, on standard error.")
    ] = False,
    json_schema: Annotated[Path | None, typer.Option(help="A file with the JSON schema of the answer.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Of an answer; left out: the server's choice.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0: always the likeliest words.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="The answer ends before this.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Ask TEXT and print the answer as it is written; without TEXT, talk line by line until Ctrl-D."""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client:
        asked: dict[str, Any] = {
            "system": system,
            "thinking": thinking,
            "json_schema": _schema(json_schema),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stop": stop or (),
            "seed": seed,
        }
        if text is None and as_json:
            raise InvalidRequest("--json is for one answer: give a TEXT")
        if text is None:
            _converse(client, asked)
        elif as_json:
            print_json(asdict(client.chat.complete(text_argument(text), **asked)))
        else:
            with client.chat.stream(text_argument(text), **asked) as deltas:
                _show(deltas)


def _converse(client: Client, asked: dict[str, Any]) -> None:
    """Each line is answered with all that was said before. Ctrl-C stops an answer; what was shown of it counts."""
    messages: list[dict[str, str]] = []
    for line in _lines():
        turns = [*messages, {"role": "user", "content": line}]
        try:
            with client.chat.stream(turns, **asked) as deltas:
                answer = _show(deltas)
        except QwenError as error:  # the conversation goes on without this line
            print_error(error)
        else:
            messages = [*turns, {"role": "assistant", "content": answer}]


def _lines() -> Iterator[str]:
    """What the user types, until the end of standard input or a Ctrl-C between answers."""
    prompt = PROMPT if sys.stdin.isatty() else ""
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            if line := input(prompt).strip():
                yield line


def _show(deltas: Stream[ChatDelta]) -> str:
    """Print an answer as it comes; its text."""
    console = Console(stderr=True, highlight=False)
    answer = ""
    with suppress(KeyboardInterrupt):
        for delta in deltas:
            if delta.type == "thinking":
                console.print(Text(delta.text, THINKING_STYLE), end="", soft_wrap=True)
            else:
                answer += delta.text
                typer.echo(delta.text, nl=False)
    typer.echo()
    return answer


def _schema(file: Path | None) -> Any:
    if file is None:
        return None
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise InvalidRequest(f"{file} is not JSON: {error}") from error
