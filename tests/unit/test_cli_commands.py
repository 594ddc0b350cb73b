"""`qwen transcribe`, `say` and `draw`: stdout holds the result and nothing else; errors are one line on stderr."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from client_scripts import SCRIPTS
from fake_triton import FakeTriton, Payloads, Refusal
from grpc import StatusCode
from PIL import Image
from typer.testing import CliRunner, Result

from qwen_client.cli import app


@pytest.fixture
def triton(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeTriton]:
    with FakeTriton(dict(SCRIPTS)) as server:
        monkeypatch.setenv("QWEN_URL", server.address)
        monkeypatch.chdir(tmp_path)
        yield server


def qwen(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


def record(*names: str) -> None:
    """Write recordings of 1, 2, 3… bytes: the scripted server hears their length."""
    for length, name in enumerate(names, 1):
        Path(name).write_bytes(b"x" * length)


def refuse_second_recording(inputs: Payloads) -> Iterator[Payloads]:
    if len(inputs["AUDIO"]) == 2:
        raise Refusal(StatusCode.INVALID_ARGUMENT, "AUDIO is not\na sound file")
    yield from SCRIPTS["qwen3_asr"](inputs)


def assert_fails_on_one_line(result: Result, *parts: str) -> None:
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr


def test_transcribe_one_file_is_one_line(triton: FakeTriton) -> None:
    record("a.wav")
    result = qwen("transcribe", "a.wav", "--language", "English", "--context", "Qwen")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 bytes\n", "")
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {"language": "English", "context": "Qwen"}


def test_transcribe_several_files_in_the_order_given(triton: FakeTriton) -> None:
    record(*(f"{number}.wav" for number in range(20)))
    names = [f"{number}.wav" for number in reversed(range(20))]
    result = qwen("transcribe", *names)

    assert result.stdout.splitlines() == [f"{number}.wav: {number + 1} bytes" for number in reversed(range(20))]


def test_transcribe_json(triton: FakeTriton) -> None:
    record("a.wav", "b.wav")
    result = qwen("transcribe", "b.wav", "a.wav", "--json")
    told = json.loads(result.stdout)

    assert [(one["file"], one["text"], one["language"]) for one in told] == [
        ("b.wav", "2 bytes", "English"),
        ("a.wav", "1 bytes", "English"),
    ]
    assert set(told[0]) == {
        "file", "text", "language", "duration_s", "segments", "finish_reason", "timings", "request_id"
    }  # fmt: skip


def test_transcribe_goes_on_after_a_failing_file(triton: FakeTriton) -> None:
    record("a.wav", "b.wav", "c.wav")
    triton.scripts["qwen3_asr"] = refuse_second_recording
    result = qwen("transcribe", "a.wav", "b.wav", "missing.wav", "c.wav")

    assert result.exit_code == 1
    assert result.stdout == "a.wav: 1 bytes\nc.wav: 3 bytes\n"
    refused, missing = result.stderr.splitlines()
    assert refused.startswith("error: b.wav: AUDIO is not a sound file (INVALID_ARGUMENT) [request ")
    assert missing == "error: missing.wav: No such file or directory (INVALID_ARGUMENT)"


def test_transcribe_json_tells_failures_in_their_place(triton: FakeTriton) -> None:
    record("a.wav", "b.wav", "c.wav")
    triton.scripts["qwen3_asr"] = refuse_second_recording
    result = qwen("transcribe", "a.wav", "b.wav", "c.wav", "missing.wav", "--json")
    first, second, third, fourth = json.loads(result.stdout)

    assert (result.exit_code, result.stderr) == (1, "")
    assert (first["text"], third["text"]) == ("1 bytes", "3 bytes")
    assert second == {
        "file": "b.wav",
        "error": {"status": "INVALID_ARGUMENT", "message": "AUDIO is not\na sound file"},
    }
    assert fourth["error"]["status"] == "INVALID_ARGUMENT"


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
    made = json.loads(qwen("draw", "a red ring", "-o", "x.jpg", "--seed", "7", "--json").stdout)

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
