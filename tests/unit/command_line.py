"""Running `qwen` in the tests of its commands."""

from pathlib import Path

from typer.testing import CliRunner, Result

from qwen_client.cli import app


def qwen(*arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run the command in a shell-like runner, stdout and stderr apart."""
    return CliRunner().invoke(app, arguments, input=stdin)


def record(*names: str) -> None:
    """Write recordings of 1, 2, 3… bytes: the scripted server hears their length."""
    for length, name in enumerate(names, 1):
        Path(name).write_bytes(b"x" * length)


def assert_fails_on_one_line(result: Result, *parts: str) -> None:
    """Exit code 1, nothing on stdout, and one line on stderr that holds all `parts`."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr
