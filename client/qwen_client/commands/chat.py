"""`qwen chat`."""

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
from qwen_client.client import Client
from qwen_client.commands.options import AsJson, Seed
from qwen_client.commands.server_calls import calls_server
from qwen_client.commands.standard_streams import file_argument, text_argument
from qwen_client.console import print_error, print_json, print_shortfalls
from qwen_client.stream import Stream
from qwen_client.texts import read_json
from qwen_wire.errors import Cancelled, InvalidRequest, QwenError

PROMPT = "> "
THINKING_STYLE = "bright_black"


@calls_server()
def chat(
    client: Client,
    text: Annotated[
        str | None, typer.Argument(help="User message; - reads standard input. Without it: a conversation.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="System prompt.")] = None,
    thinking: Annotated[
        bool, typer.Option("--thinking", help="Let the model think first; thinking is shown in grey on standard error.")
    ] = False,
    json_schema: Annotated[Path | None, typer.Option(help="File with a JSON schema that the answer follows.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Maximum length of an answer in tokens. Default: set by the server.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature; 0: greedy.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="Stop sequence; may be repeated.")] = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Send TEXT to the chat model and stream its answer. Without TEXT: a conversation, until Ctrl-D."""
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
        answer = client.chat.complete(text_argument(text), **asked)
        _warn(answer.finish_reason, thought_only=bool(answer.thinking and not answer.text))
        print_json(asdict(answer))
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
    answer, thought = "", False
    with suppress(KeyboardInterrupt):
        for delta in deltas:
            if delta.type == "thinking":
                thought = True
                console.print(Text(delta.text, THINKING_STYLE), end="", soft_wrap=True)
            else:
                answer += delta.text
                typer.echo(delta.text, nl=False)
    typer.echo()
    if deltas.finish_reason == "cancelled":
        raise Cancelled("the server cancelled the request", request_id=deltas.request_id)
    if thought and not answer:
        console.print()
    _warn(deltas.finish_reason or "stop", thought_only=thought and not answer)
    return answer


def _warn(finish_reason: str, *, thought_only: bool) -> None:
    subject = "the answer, which had not begun yet," if thought_only else "the answer"
    print_shortfalls({"finish_reason": finish_reason}, subject)


def _schema(file: Path | None) -> Any:
    if file is None:
        return None
    given = file_argument(file)
    return read_json(given if isinstance(given, bytes) else given.read_bytes(), str(file))
