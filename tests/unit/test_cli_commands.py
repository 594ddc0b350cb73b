"""`qwen say`, `draw` and what all commands do: stdout holds the result; errors are one line on stderr."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import soundfile
import trustme
import typer
from client_scripts import SCRIPTS
from command_line import assert_fails_on_one_line, qwen, record
from fake_triton import FakeTriton, Payloads, Refusal
from grpc import StatusCode
from PIL import Image

from qwen_client.cli import app

pytestmark = pytest.mark.usefixtures("command_line")


def test_say_writes_the_file_and_names_it(triton: FakeTriton) -> None:
    result = qwen("say", "good morning", "-o", "x.wav")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "x.wav\n", "")
    assert soundfile.info("x.wav").duration == pytest.approx(0.16)


def test_say_json(triton: FakeTriton) -> None:
    options = ("--voice", "ryan", "--language", "english", "--seed", "4", "--temperature", "0")
    made = json.loads(qwen("say", "good morning", "-o", "x.flac", *options, "--json").stdout)

    assert (made["file"], made["sample_rate"], made["finish_reason"]) == ("x.flac", 24_000, "stop")
    assert made["duration_s"] == pytest.approx(0.16)
    assert made["request_id"] == triton.received[0].request_id
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {
        "voice": "ryan",
        "language": "english",
        "seed": 4,
        "temperature": 0.0,
    }


def test_say_faster_and_higher(triton: FakeTriton) -> None:
    words = " ".join(["la"] * 25)
    made = json.loads(qwen("say", words, "-o", "x.wav", "--speed", "1.25", "--pitch", "1.1", "--json").stdout)

    assert made["duration_s"] == pytest.approx(1.6)
    assert soundfile.info("x.wav").duration == pytest.approx(1.6)
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {}


@pytest.mark.parametrize("option", ["--speed", "--pitch"])
def test_say_refuses_what_no_filter_does_well(option: str, triton: FakeTriton) -> None:
    result = qwen("say", "hello", "-o", "x.wav", option, "2.1")

    assert result.exit_code == 2
    assert option in result.stderr
    assert triton.received == []


def test_say_reads_standard_input(triton: FakeTriton) -> None:
    assert qwen("say", "-", "-o", "x.ogg", stdin="good morning\n").exit_code == 0
    assert triton.received[0].inputs["TEXT"] == b"good morning"


def test_draw_writes_the_file_and_names_it(triton: FakeTriton) -> None:
    result = qwen("draw", "a red ring", "-o", "x.png", "--size", "32x48", "--steps", "3", "--seed", "7")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "x.png\n", "")
    with Image.open("x.png") as picture:
        assert picture.size == (32, 48)
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {"width": 32, "height": 48, "steps": 3, "seed": 7}


def test_progress_is_shown_on_terminals_and_never_on_stdout(
    triton: FakeTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes stderr for a terminal
    record("a.wav", "b.wav")
    drawn = qwen("draw", "a red ring", "-o", "x.png")
    heard = qwen("transcribe", "a.wav", "b.wav")

    assert (drawn.stdout, heard.stdout) == ("x.png\n", "a.wav: 1 bytes\nb.wav: 2 bytes\n")
    assert "drawing" in drawn.stderr
    assert "transcribing" in heard.stderr


def test_draw_json(triton: FakeTriton) -> None:
    (made,) = json.loads(qwen("draw", "a red ring", "-o", "x.jpg", "--seed", "7", "--json").stdout)

    assert (made["file"], made["prompt"], made["width"], made["height"]) == ("x.jpg", "a red ring", 64, 64)
    assert (made["seed"], made["request_id"]) == (7, triton.received[0].request_id)


@pytest.mark.parametrize(("command", "suffix"), [("say", "wav"), ("draw", "png")])
def test_what_cannot_be_written_is_refused_before_the_work(command: str, suffix: str, triton: FakeTriton) -> None:
    assert_fails_on_one_line(qwen(command, "hello", "-o", "x.doc"), "x.doc has no known")
    assert_fails_on_one_line(qwen(command, "hello", "-o", f"nowhere/x.{suffix}"), "there is no folder nowhere")
    assert triton.received == []


@pytest.mark.parametrize(("command", "suffix"), [("say", "wav"), ("draw", "png")])
def test_a_file_that_cannot_be_written_is_one_line(command: str, suffix: str, triton: FakeTriton) -> None:
    Path(f"x.{suffix}").mkdir()
    assert_fails_on_one_line(qwen(command, "hello", "-o", f"x.{suffix}"), "Is a directory")


def test_bad_size_is_one_line(triton: FakeTriton) -> None:
    assert_fails_on_one_line(qwen("draw", "a ring", "-o", "x.png", "--size", "big"), "'64x48'", "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("model", "arguments"),
    [("qwen3_tts", ("say", "hello", "-o", "x.wav")), ("qwen_image", ("draw", "a ring", "-o", "x.png"))],
)
def test_a_refusal_is_one_line_with_the_request_id(model: str, arguments: tuple[str, ...], triton: FakeTriton) -> None:
    def refuse(_: Payloads) -> Iterator[Payloads]:
        raise Refusal(StatusCode.UNAVAILABLE, "the queue is full")
        yield {}

    triton.scripts[model] = refuse
    result = qwen(*arguments)
    assert_fails_on_one_line(result, "the queue is full (UNAVAILABLE)", triton.received[0].request_id)


@pytest.mark.parametrize(
    "arguments", [("transcribe", "a.wav"), ("say", "hello", "-o", "x.wav"), ("draw", "a ring", "-o", "x.png")]
)
def test_url_option_and_no_server_there(arguments: tuple[str, ...], triton: FakeTriton) -> None:
    record("a.wav")
    with FakeTriton({}) as stopped:
        pass
    result = qwen(*arguments, "--url", stopped.address)
    assert_fails_on_one_line(result, f"no gRPC server answers at {stopped.address}; `qwen serve` starts one")


def test_timeout_option(triton: FakeTriton) -> None:
    qwen("say", "hello", "-o", "x.wav", "--timeout", "1000")
    assert 900 < triton.received[0].deadline_s < 1010


def test_no_arguments_print_the_help() -> None:
    assert "transcribe" in qwen().output


def commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


ALL = {
    name: command
    for name, command in commands(typer.main.get_command(app))
    if command.callback.__module__.startswith("qwen_client")  # the server's may be there, too
}
CALLING = [name for name, command in ALL.items() if any("--url" in one.opts for one in command.params)]


def test_these_call_no_server() -> None:
    assert ALL.keys() - CALLING == {("recipe",)}


@pytest.mark.parametrize("name", CALLING, ids=" ".join)
def test_every_command_that_calls_a_server_says_for_whom(name: tuple[str, ...]) -> None:
    told = {one.name: (one.opts, one.envvar) for one in ALL[name].params}
    assert told["tenant"] == (["--tenant"], "QWEN_TENANT")


@pytest.mark.parametrize(
    "command", ["say hello -o x.wav", "draw star -o x.png", "transcribe a.wav", "styles", "chat hello"]
)
def test_the_tenant_is_sent_as_the_header_says_it(
    triton: FakeTriton, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    record("a.wav")
    for name, arguments in {None: [], "anna": ["--tenant", "anna"]}.items():
        assert qwen(*command.split(), *arguments).exit_code == 0
        assert triton.received[-1].headers.get("qwen-tenant") == name
    monkeypatch.setenv("QWEN_TENANT", "ben")
    assert qwen(*command.split()).exit_code == 0
    assert triton.received[-1].headers["qwen-tenant"] == "ben"


@pytest.mark.parametrize("name", ["Anna", "", "a b", "x" * 65, "../b", "é"])
def test_a_tenant_that_is_no_name_is_refused_at_once(triton: FakeTriton, name: str) -> None:
    assert_fails_on_one_line(qwen("voice", "list", "--tenant", name), f"tenant is {name[:80]!r}", "(INVALID_ARGUMENT)")
    assert triton.received == []


def test_metadata_is_sent_with_each_request(triton: FakeTriton, monkeypatch: pytest.MonkeyPatch) -> None:
    assert qwen("say", "Hello.", "-o", "x.wav", "--metadata", "x-a=1", "--metadata", "x-b=2=3").exit_code == 0
    assert {triton.received[-1].headers[name] for name in ("x-a", "x-b")} == {"1", "2=3"}
    monkeypatch.setenv("QWEN_METADATA", "authorization=x")
    assert qwen("styles").exit_code == 0
    assert triton.received[-1].headers["authorization"] == "x"
    assert_fails_on_one_line(qwen("styles", "--metadata", "secret"), "--metadata: give KEY=VALUE", "(INVALID_ARGUMENT)")


def test_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = trustme.CA()
    own = authority.issue_cert("localhost", "127.0.0.1")
    pair = (own.private_key_pem.bytes(), b"".join(one.bytes() for one in own.cert_chain_pems))
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with FakeTriton(dict(SCRIPTS), credentials=grpc.ssl_server_credentials([pair])) as server:
        url = f"grpcs://{server.address}"
        assert qwen("styles", "--url", url, "--ca-file", "ca.pem").exit_code == 0
        assert_fails_on_one_line(qwen("styles", "--url", url), "(UNAVAILABLE)")
        assert_fails_on_one_line(qwen("styles", "--url", url, "--ca-file", "no.pem"), "tls.ca_file cannot be read")
