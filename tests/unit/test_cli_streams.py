"""Standard input and output of all commands: `-`, other encodings, full disks, readers that have left, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_scripts import CHAIN_SCRIPTS
from client_scripts import HALF_SECOND_BYTES, SCRIPTS
from command_line import assert_fails_on_one_line, qwen, record
from fake_triton import FakeTriton, Payloads

pytestmark = pytest.mark.usefixtures("command_line")

PROGRAM = [sys.executable, "-c", "from qwen_client.cli import run_commands; run_commands()"]
NOT_UTF_8 = b"caf\xe9"
OUTPUTS = {"say Hello. -o -": b"RIFF", "draw star -o -": b"\x89PNG", "chart - -o -": b"\x89PNG"}
CHART = b'{"type": "bar", "categories": ["a"], "series": [{"name": "n", "values": [1]}]}'


@pytest.fixture
def triton() -> Iterator[FakeTriton]:
    with FakeTriton({**SCRIPTS, **CHAIN_SCRIPTS}) as server:
        yield server


def run(*arguments: str | bytes, stdin: bytes = b"", **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """The program itself, as a shell starts it."""
    command: list[str | bytes] = [*PROGRAM, *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, timeout=60, check=False, env={**os.environ, **environment}
    )


def run_into(stdout: int, command: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([*PROGRAM, *command.split()], stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False)


@pytest.mark.parametrize(("command", "beginning"), OUTPUTS.items())
def test_files_go_to_standard_output(command: str, beginning: bytes) -> None:
    done = run(*command.split(), stdin=CHART)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(beginning)


@pytest.mark.parametrize("command", OUTPUTS)
def test_only_one_thing_goes_to_standard_output(command: str, triton: FakeTriton) -> None:
    assert_fails_on_one_line(qwen(*command.split(), "--json", stdin=CHART), "--json and the file for -")
    assert triton.received == []


def test_several_pictures_need_a_file(triton: FakeTriton) -> None:
    assert_fails_on_one_line(qwen("draw", "star", "-o", "-", "--n", "2"), "--n 2: - is standard output")
    assert triton.received == []


INPUTS = {
    "transcribe -": ("qwen3_asr", "AUDIO"),
    "align - hello": ("qwen3_aligner", "AUDIO"),
    "edit - green -o x.png": ("qwen_image", "IMAGE"),
    "draw star --image - -o x.png": ("qwen_image", "IMAGE"),
    "say hello --reference - -o x.wav": ("qwen3_tts", "REF_AUDIO"),
    "voice add anna - --consent hers": ("qwen3_tts", "REF_AUDIO"),
    "describe -": ("describe_aloud", "IMAGE"),
    "storyboard --audio -": ("storyboard", "AUDIO"),
}


@pytest.mark.parametrize(("command", "tensor"), INPUTS.items())
def test_files_come_from_standard_input(command: str, tensor: tuple[str, str], triton: FakeTriton) -> None:
    qwen(*command.split(), stdin=b"a file")
    (asked,) = triton.received
    assert (asked.model, asked.inputs[tensor[1]]) in [(tensor[0], b"a file"), (tensor[0], (b"a file",))]


@pytest.mark.parametrize("command", ["align - -", "transcribe - -", "edit - - -o x.png"])
def test_standard_input_is_one_file(command: str, triton: FakeTriton) -> None:
    assert_fails_on_one_line(qwen(*command.split(), stdin=b"hello"), "- is standard input, which has one file")
    assert triton.received == []


@pytest.mark.parametrize("command", ["say - -o x.wav", "draw - -o x.png", "chat -", "storyboard -"])
def test_texts_that_are_not_utf_8_are_refused(command: str, triton: FakeTriton) -> None:
    assert_fails_on_one_line(qwen(*command.split(), stdin=NOT_UTF_8), "TEXT, from standard input, is not UTF-8")
    assert triton.received == []


@pytest.mark.parametrize("name", ["chart", "run"])
def test_files_that_are_not_utf_8_are_refused(name: str) -> None:
    Path("x.json").write_bytes(NOT_UTF_8)
    assert_fails_on_one_line(qwen(name, "x.json", "-o", "x.png"), "x.json", "(INVALID_ARGUMENT)")
    assert_fails_on_one_line(qwen(name, "-", "-o", "x.png", stdin=NOT_UTF_8), "(INVALID_ARGUMENT)")


@pytest.mark.parametrize(
    "arguments", [("say", NOT_UTF_8, "-o", "x.wav"), ("draw", NOT_UTF_8, "-o", "x.png"), ("chat", NOT_UTF_8)]
)
def test_arguments_that_are_not_utf_8_are_refused_on_one_line(arguments: tuple[str | bytes, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"error: ")
    assert done.stderr.count(b"\n") == 1


def test_names_of_files_that_are_not_utf_8() -> None:
    name = NOT_UTF_8 + b".wav"
    Path(os.fsdecode(name)).write_bytes(b"x")
    for arguments in ((name,), (name, name), (name, "--json"), (b"missing" + name,)):
        done = run("transcribe", *arguments)
        assert b"Traceback" not in done.stderr
        assert done.returncode == (1 if arguments[0].startswith(b"missing") else 0)
        assert done.stdout or done.returncode


@pytest.mark.parametrize("encoding", ["cp1252", "gbk", "utf-8"])
def test_standard_output_of_any_encoding(encoding: str, triton: FakeTriton) -> None:
    def script(inputs: Payloads) -> Iterator[Payloads]:
        for payloads in SCRIPTS["qwen3_asr"](inputs):
            result = {**json.loads(payloads["RESULT"]), "text": "你好 😀"}
            yield {**payloads, "RESULT": json.dumps(result).encode()}

    triton.scripts["qwen3_asr"] = script
    record("a.wav")
    plain = run("transcribe", "a.wav", PYTHONIOENCODING=encoding)
    assert (plain.returncode, plain.stderr) == (0, b"")
    assert plain.stdout == "你好 😀\n".encode(encoding, errors="backslashreplace")
    told = run("transcribe", "a.wav", "--json", PYTHONIOENCODING=encoding)
    assert json.loads(told.stdout.decode(encoding))[0]["text"] == "你好 😀"


@pytest.mark.parametrize("command", ["transcribe a.wav", "say Hello. -o -", "chat hello", "styles --json"])
def test_a_full_disk_is_told_on_one_line(command: str) -> None:
    record("a.wav")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PROGRAM, *command.split()], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("command", ["transcribe a.wav", "say Hello. -o -", "chat hello", "styles"])
def test_a_reader_that_has_left_is_no_error_to_tell(command: str) -> None:
    record("a.wav")
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*PROGRAM, *command.split()], stdout=write, stderr=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(write)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_an_output_that_cannot_be_written_fails_alone() -> None:
    record("a.wav", "b.wav", "c.wav")
    (Path("texts") / "b.txt").mkdir(parents=True)  # a folder where a file is to be
    done = qwen("transcribe", "a.wav", "b.wav", "c.wav", "--out", "texts")
    assert done.exit_code == 1
    assert done.stdout.split() == ["texts/a.txt", "texts/c.txt"]
    assert done.stderr.startswith("error: b.wav: the text cannot be written: ")
    assert done.stderr.count("\n") == 1
    assert Path("texts/c.txt").read_text() == "3 bytes\n"


def test_a_narrator_of_no_language_is_refused(triton: FakeTriton) -> None:
    for voice in ("nope", "xx=ava", "=ava"):
        result = qwen("lesson", "A ring.", "--voice", voice)
        assert result.exit_code == 1, voice
        assert "--voice" in result.stderr
    assert triton.received == []


def test_ctrl_c_ends_captions_of_a_quiet_pipe(triton: FakeTriton) -> None:
    captioner, heard = triton.scripts["qwen3_asr_stream"], threading.Event()

    def script(inputs: Payloads) -> Iterator[Payloads]:
        if len(triton.received) == 3:
            heard.set()
        return captioner(inputs)

    triton.scripts["qwen3_asr_stream"] = script
    with subprocess.Popen([*PROGRAM, "captions", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(bytes(3 * HALF_SECOND_BYTES))
        process.stdin.flush()
        assert heard.wait(60)
        process.send_signal(signal.SIGINT)  # and nothing more comes in
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b"w0 w1 w2\n"
