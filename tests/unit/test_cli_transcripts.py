"""`qwen transcribe` and `qwen align`: stdout holds the result and nothing else; errors are one line on stderr."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from client_scripts import SCRIPTS, transcript
from command_line import assert_fails_on_one_line, qwen, record
from fake_triton import FakeTriton, Payloads, Refusal
from grpc import StatusCode

pytestmark = pytest.mark.usefixtures("command_line")


def refuse_second_recording(inputs: Payloads) -> Iterator[Payloads]:
    if len(inputs["AUDIO"]) == 2:
        raise Refusal(StatusCode.INVALID_ARGUMENT, "AUDIO is not\na sound file")
    yield from SCRIPTS["qwen3_asr"](inputs)


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
        "file", "text", "language", "duration_s", "segments", "words", "cues", "failed", "damage_s", "raw_text",
        "first_token_s", "finish_reason", "seed", "timings", "request_id",
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

    assert result.exit_code == 1
    assert [line.split(":")[1].strip() for line in result.stderr.splitlines()] == ["b.wav", "missing.wav"]
    assert (first["text"], third["text"]) == ("1 bytes", "3 bytes")
    assert second == {
        "file": "b.wav",
        "error": {"status": "INVALID_ARGUMENT", "message": "AUDIO is not\na sound file"},
    }
    assert fourth["error"]["status"] == "INVALID_ARGUMENT"


def partly_heard(inputs: Payloads) -> Iterator[Payloads]:
    [heard] = transcript(inputs)
    result = json.loads(heard["RESULT"])
    result["failed"] = [{"start_s": 30.0, "end_s": 60.5, "message": "out of memory"}]
    yield {**heard, "RESULT": json.dumps(result).encode()}


def test_what_is_missing_from_a_transcript_is_told(triton: FakeTriton) -> None:
    record("a.wav")
    triton.scripts["qwen3_asr"] = partly_heard
    lines = qwen("transcribe", "a.wav")
    told = qwen("transcribe", "a.wav", "--json")

    assert (lines.exit_code, lines.stdout) == (1, "1 bytes\n")
    assert lines.stderr.startswith("error: a.wav: what is said from 30 to 60.5 s is missing: out of memory (INTERNAL)")
    assert told.exit_code == 1
    assert told.stderr.startswith("error: a.wav: what is said from 30 to 60.5 s is missing: out of memory (INTERNAL)")
    assert json.loads(told.stdout)[0]["failed"] == [{"start_s": 30.0, "end_s": 60.5, "message": "out of memory"}]


def test_transcribe_sends_its_options(triton: FakeTriton) -> None:
    record("a.wav")
    qwen("transcribe", "a.wav", "--timestamps", "char", "--itn", "--max-audio", "7200")

    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {
        "timestamps": "char",
        "itn": True,
        "max_audio_s": 7200.0,
    }


def test_subtitles_on_stdout(triton: FakeTriton) -> None:
    record("a.wav")
    result = qwen("transcribe", "a.wav", "--format", "srt", "--timestamps", "word")

    assert result.stdout == "1\n00:00:00,000 --> 00:00:02,500\n1\nbytes\n\n"


@pytest.mark.parametrize(
    ("chosen", "suffix", "begins"),
    [
        ("srt", "srt", "1\n00:00:00,000 --> "),
        ("vtt", "vtt", "WEBVTT\n"),
        ("text", "txt", "2 bytes\n"),
        ("json", "json", "{"),
    ],
)
def test_a_file_for_each_recording(chosen: str, suffix: str, begins: str, triton: FakeTriton) -> None:
    record("a.mp3", "b.ogg")
    result = qwen("transcribe", "b.ogg", "a.mp3", "missing.wav", "--format", chosen, "--out", "new/folder")

    assert result.exit_code == 1
    assert result.stdout == f"new/folder/b.{suffix}\nnew/folder/a.{suffix}\n"
    assert result.stderr == "error: missing.wav: No such file or directory (INVALID_ARGUMENT)\n"
    assert Path(f"new/folder/b.{suffix}").read_text().startswith(begins)
    assert sorted(Path("new/folder").iterdir()) == [Path(f"new/folder/{name}.{suffix}") for name in "ab"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "srt"), "2 recordings make as many srt files: say where by --out"),
        (("--format", "vtt", "--timestamps", "none", "--out", "x"), "--format vtt needs times"),
        (("--format", "srt", "--json"), "--json and --format srt cannot go together"),
        (("--out", "x"), "2 of the recordings would be written to x/a.txt"),
        (("--out", "a.wav"), "File exists"),
    ],
)
def test_what_cannot_work_is_refused_before_the_work(
    options: tuple[str, ...], message: str, triton: FakeTriton
) -> None:
    record("a.wav", "a.mp3")
    files = ("a.wav",) if "a.wav" in options else ("a.wav", "a.mp3")

    assert_fails_on_one_line(qwen("transcribe", *files, *options), message)
    assert triton.received == []


def test_json_is_short_for_its_format(triton: FakeTriton) -> None:
    record("a.wav")
    short, long = (
        json.loads(qwen("transcribe", "a.wav", *options).stdout) for options in (("--json",), ("--format", "json"))
    )

    assert [short[0].pop("request_id"), long[0].pop("request_id")] == [one.request_id for one in triton.received]
    assert short == long


@pytest.mark.parametrize("model", ["qwen3_asr", "qwen3_aligner"])
def test_damage_is_a_warning(model: str, triton: FakeTriton) -> None:
    record("a.wav")
    script = triton.scripts[model]

    def damaged(inputs: Payloads) -> Iterator[Payloads]:
        for answer in script(inputs):
            yield {**answer, "RESULT": json.dumps({**json.loads(answer["RESULT"]), "damage_s": 0.5}).encode()}

    triton.scripts[model] = damaged
    result = qwen("transcribe", "a.wav") if model == "qwen3_asr" else qwen("align", "a.wav", "good")

    assert (result.exit_code, result.stderr) == (0, "warning: a.wav: 0.5 s of sound are missing or damaged\n")


def test_align_prints_a_line_a_word(triton: FakeTriton) -> None:
    record("a.wav")
    result = qwen("align", "a.wav", "good morning", "--language", "English")

    assert (result.exit_code, result.stdout) == (0, "0.000\t0.500\tgood\n1.000\t1.500\tmorning\n")
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {"language": "English"}


def test_align_json_and_standard_input(triton: FakeTriton) -> None:
    record("a.wav")
    told = json.loads(qwen("align", "a.wav", "-", "--json", "--timestamps", "char", stdin="good morning\n").stdout)

    assert told["words"][1] == {"text": "morning", "start_s": 1.0, "end_s": 1.5}
    assert triton.received[0].inputs["TEXT"] == b"good morning"
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {"timestamps": "char"}


def test_align_writes_subtitles(triton: FakeTriton) -> None:
    record("a.wav")

    assert qwen("align", "a.wav", "good morning", "-o", "a.vtt").stdout == "a.vtt\n"
    assert Path("a.vtt").read_text().startswith("WEBVTT\n\n1\n00:00:00.000 --> 00:00:00.500\ngood\n")
    assert_fails_on_one_line(qwen("align", "a.wav", "good", "-o", "a.doc"), "known: .txt, .json, .srt, .vtt")
    assert_fails_on_one_line(qwen("align", "missing.wav", "good"), "No such file")
