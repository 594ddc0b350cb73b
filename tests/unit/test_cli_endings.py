"""Every ending that is not the normal one is told by its command: a line on stderr, fields in JSON, an exit code."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chain_scripts import CHAIN_SCRIPTS, Telling, picture
from client_scripts import SCRIPTS, TIMINGS, chart, event
from command_line import qwen
from fake_triton import FakeTriton, Payloads, Script
from test_client_voice import voice_chat

from qwen_client.cli import app

pytestmark = pytest.mark.usefixtures("command_line")

CUT = {"finish_reason": "length"}
BUDGET = {"finish_reason": "length", "cut_by": "budget"}
DAMAGED = {"damage_s": 1.25}
FAILED = {"failed": [{"start_s": 30.0, "end_s": 60.5, "message": "out of memory"}]}
CANCELLED = {"finish_reason": "cancelled"}
PCM = struct.pack("<h", 9) * 32_000
WORKFLOW = {"nodes": {"said": {"model": "qwen3_tts", "inputs": {"TEXT": "hello"}}}, "outputs": {}}


def ended(script: Script, **told: Any) -> Script:
    """As the script, but for what the last response tells in its `end` or RESULT."""

    def answer(inputs: Payloads) -> Iterator[Payloads]:
        *before, last = script(inputs)
        yield from before
        yield {**last, **{name: changed(last[name], told) for name in ("EVENT", "RESULT") if name in last}}

    return answer


def changed(document: bytes, told: dict[str, Any]) -> bytes:
    return json.dumps({**json.loads(document), **told}).encode()


def with_stage(script: Script, stage: str, output: str = "EVENT", item: int | None = None, **told: Any) -> Script:
    """As the script, with one more result: how the answer of a stage's model ended."""

    def answer(inputs: Payloads) -> Iterator[Payloads]:
        *before, last = script(inputs)
        yield from before
        ending = {"finish_reason": "stop", "timings": TIMINGS, **told}
        numbered = {} if item is None else {"item": item}
        yield Telling().value(stage, ending, output, **numbered)
        yield last

    return answer


def skipping(script: Script, stage: str, item: int) -> Script:
    def answer(inputs: Payloads) -> Iterator[Payloads]:
        *before, last = script(inputs)
        yield from before
        yield Telling().stage("skipped", stage, item=item, reason="its source failed")
        yield last

    return answer


def workflow(inputs: Payloads) -> Iterator[Payloads]:
    yield Telling().end(outputs={}, record={"said": {"state": "done"}}, trace_id="1")


def captions_cut(inputs: Payloads) -> Iterator[Payloads]:
    """One segment of two seconds, which was cut; the sound is all there."""
    segments = [{"start_s": 0.0, "end_s": 2.0, "text": "w0 w0"}]
    is_final = inputs["END"] == b"1"
    told = {"stable": "w0 w0", "partial": "", "language": None, "segment": 1, "audio_s": 2.0, "is_final": is_final}
    ending = CUT if is_final else {"finish_reason": "stop"}
    yield {"EVENT": event(0, "captions", **told, segments=segments if is_final else [], token="t", **ending)}


def no_font(inputs: Payloads) -> Iterator[Payloads]:
    [drawn] = chart(inputs)
    yield {**drawn, "RESULT": changed(drawn["RESULT"], {"not_drawn": "ꙮ"})}


def thinking_only(inputs: Payloads) -> Iterator[Payloads]:
    yield {"text_output": b"Let me", "EVENT": event(0, "thinking")}
    usage = {"prompt_tokens": 12, "cached_tokens": 8, "completion_tokens": 1}
    yield {"text_output": b"", "EVENT": event(1, "end", usage=usage, timings=TIMINGS, **CUT)}


TALK = ("talk", "a.wav")
ALL = {**SCRIPTS, **CHAIN_SCRIPTS, "voice_chat": voice_chat, "workflow": workflow}
SAY = ("say", "good morning", "-o", "x.wav")
TOO_LONG = "was cut at the limit of its length"
TOO_SLOW = "was cut: it took longer than its text can"
WHERE = {"minutes": "meeting_minutes", "lesson": "courseware", "ad": "product_ad", "describe": "describe_aloud"}

# What is asked, the model, what it answers, the exit code, the line on stderr.
Case = tuple[tuple[str, ...], str, Script, int, str]
CASES: dict[str, Case] = {
    "say, budget": (SAY, "qwen3_tts", ended(SCRIPTS["qwen3_tts"], **BUDGET), 0,
                    "warning: the speech of 0.16 s was cut: it took longer than its text can"),
    "say, repetition": (SAY, "qwen3_tts", ended(SCRIPTS["qwen3_tts"], **CUT, cut_by="repetition"), 0,
                        "warning: the speech of 0.16 s was cut: it said the same over and over"),
    "say, silence": (SAY, "qwen3_tts", ended(SCRIPTS["qwen3_tts"], **CUT, cut_by="silence"), 0,
                     "warning: the speech of 0.16 s was cut: it had fallen silent"),
    "say, cancelled": (SAY, "qwen3_tts", ended(SCRIPTS["qwen3_tts"], **CANCELLED), 1,
                       "error: the server cancelled the request (CANCELLED)"),
    "transcribe, cut": (("transcribe", "a.wav"), "qwen3_asr", ended(SCRIPTS["qwen3_asr"], **CUT), 0,
                        f"warning: a.wav: the text {TOO_LONG}"),
    "transcribe, damaged": (("transcribe", "a.wav"), "qwen3_asr", ended(SCRIPTS["qwen3_asr"], **DAMAGED), 0,
                            "warning: a.wav: 1.25 s of sound are missing or damaged"),
    "transcribe, failed": (("transcribe", "a.wav"), "qwen3_asr", ended(SCRIPTS["qwen3_asr"], **FAILED), 1,
                           "error: a.wav: what is said from 30 to 60.5 s is missing: out of memory (INTERNAL)"),
    "align, damaged": (("align", "a.wav", "hello"), "qwen3_aligner", ended(SCRIPTS["qwen3_aligner"], **DAMAGED), 0,
                       "warning: a.wav: 1.25 s of sound are missing or damaged"),
    "captions, cut": (("captions", "-"), "qwen3_asr_stream", captions_cut, 0,
                      f"warning: the text of what is said from 0 to 2 s {TOO_LONG}"),
    "chat, cut": (("chat", "hello"), "qwen3_chat", ended(SCRIPTS["qwen3_chat"], **CUT), 0,
                  f"warning: the answer {TOO_LONG}"),
    "chat, cut while thinking": (("chat", "hello", "--thinking"), "qwen3_chat", thinking_only, 0,
                                 f"warning: the answer, which had not begun yet, {TOO_LONG}"),
    "chat, cancelled": (("chat", "hello"), "qwen3_chat", ended(SCRIPTS["qwen3_chat"], **CANCELLED), 1,
                        "error: the server cancelled the request (CANCELLED)"),
    "draw, cancelled": (("draw", "a ring"), "qwen_image", ended(SCRIPTS["qwen_image"], **CANCELLED), 1,
                        "error: the server cancelled the request (CANCELLED)"),
    "edit, cancelled": (("edit", "p.png", "red"), "qwen_image", ended(SCRIPTS["qwen_image"], **CANCELLED), 1,
                        "error: the server cancelled the request (CANCELLED)"),
    "chart, no font": (("chart", "c.json", "-o", "x.png"), "chart_image", no_font, 0,
                       "warning: no font has these characters: ꙮ"),
    "talk, heard cut": (TALK, "voice_chat", with_stage(voice_chat, "heard", "RESULT", **CUT), 0,
                        f"warning: heard: it {TOO_LONG}"),
    "talk, heard damaged": (TALK, "voice_chat", with_stage(voice_chat, "heard", "RESULT", **DAMAGED), 0,
                            "warning: heard: 1.25 s of sound are missing or damaged"),
    "talk, reply cut": (TALK, "voice_chat", with_stage(voice_chat, "reply", **CUT), 0,
                        f"warning: reply: it {TOO_LONG}"),
    "talk, speech cut": (TALK, "voice_chat", with_stage(voice_chat, "speech", item=1, **BUDGET), 0,
                         f"warning: speech 2: it {TOO_SLOW}"),
    "talk, interrupted": (TALK, "voice_chat", ended(voice_chat, **CANCELLED), 0,
                          "warning: the reply was interrupted by another utterance"),
    "lesson, silent": (("lesson", "A ring."), "courseware", CHAIN_SCRIPTS["courseware"], 0,
                       "warning: narration: there is none in zh: no voice was given for it"),
}  # fmt: skip
CHAINS = {
    "minutes": ("minutes", "a.wav"),
    "storyboard": ("storyboard", "A ring."),
    "lesson": ("lesson", "A ring."),
    "ad": ("ad", "A ring."),
    "describe": ("describe", "p.png"),
    "run": ("run", "w.json"),
}


def chain_cases() -> Iterator[tuple[str, Case]]:
    """The same endings of a stage in every command that runs stages."""
    for name, command in CHAINS.items():
        model = {"run": "workflow", **WHERE}.get(name, name)
        script = ALL[model]
        yield f"{name}, cut", (command, model, with_stage(script, "said", item=0, **BUDGET), 0,
                               f"warning: said 1: it {TOO_SLOW}")  # fmt: skip
        yield f"{name}, damaged", (command, model, with_stage(script, "heard", "RESULT", **DAMAGED), 0,
                                   "warning: heard: 1.25 s of sound are missing or damaged")  # fmt: skip
        yield f"{name}, failed part", (
            command, model, with_stage(script, "heard", "RESULT", **FAILED), 1,
            "error: heard: what is said from 30 to 60.5 s is missing: out of memory (INTERNAL)",
        )  # fmt: skip
        yield f"{name}, skipped item", (command, model, skipping(script, "pictures", 1), 0,
                                        "warning: pictures 2: was left out: its source failed")  # fmt: skip
        yield f"{name}, cancelled", (command, model, ended(script, **CANCELLED), 1, "error: the server cancelled the ")


CASES |= dict(chain_cases())
SHORTFALLS_IN_JSON = {name for name in CASES if name.split(",")[0] in {*CHAINS, "talk"} and "cancelled" not in name}


@pytest.fixture
def triton() -> Iterator[FakeTriton]:
    with FakeTriton(dict(ALL)) as server:
        yield server


@pytest.fixture(autouse=True)
def files(command_line: None) -> None:
    Path("a.wav").write_bytes(b"x")
    Path("p.png").write_bytes(picture("a ring"))
    Path("c.json").write_text('{"type": "gantt", "tasks": []}')
    Path("w.json").write_text(json.dumps(WORKFLOW))


def run(triton: FakeTriton, case: str, *options: str) -> tuple[int, str, list[str]]:
    command, model, script, _, _ = CASES[case]
    triton.scripts[model] = script
    done = qwen(*command, *options, stdin=PCM if "-" in command else None)
    return done.exit_code, done.stdout, done.stderr.splitlines()


@pytest.mark.parametrize("case", CASES)
def test_an_ending_is_told_in_a_line(triton: FakeTriton, case: str) -> None:
    *_, exit_code, line = CASES[case]
    code, _, lines = run(triton, case)
    assert code == exit_code, lines
    assert [one for one in lines if one.startswith(line)], lines
    assert len([one for one in lines if one.startswith("error: ")]) == exit_code


@pytest.mark.parametrize("case", sorted(SHORTFALLS_IN_JSON))
def test_json_has_what_the_lines_say(triton: FakeTriton, case: str) -> None:
    *_, exit_code, line = CASES[case]
    code, stdout, lines = run(triton, case, "--json")
    assert code == exit_code
    told = json.loads(stdout)["shortfalls"]
    assert any(one["message"] in line for one in told)
    assert [one for one in lines if one.startswith(line)]


@pytest.mark.parametrize(
    ("case", "field", "value"),
    [
        ("say, budget", "cut_by", "budget"),
        ("say, budget", "finish_reason", "length"),
        ("chat, cut", "finish_reason", "length"),
        ("chart, no font", "not_drawn", "ꙮ"),
        ("align, damaged", "damage_s", 1.25),
    ],
)
def test_json_has_the_fields_of_the_answer(triton: FakeTriton, case: str, field: str, value: object) -> None:
    code, stdout, _ = run(triton, case, "--json")
    assert (code, json.loads(stdout)[field]) == (0, value)


@pytest.mark.parametrize(("case", "field"), [("cut", CUT), ("damaged", DAMAGED), ("failed", FAILED)])
def test_json_of_transcripts(triton: FakeTriton, case: str, field: dict[str, Any]) -> None:
    _, stdout, _ = run(triton, f"transcribe, {case}", "--json")
    assert field.items() <= json.loads(stdout)[0].items()


def test_json_of_captions(triton: FakeTriton) -> None:
    _, stdout, _ = run(triton, "captions, cut", "--json")
    assert json.loads(stdout.splitlines()[-1])["finish_reason"] == "length"


@pytest.mark.parametrize("command", [*CHAINS.values(), SAY, TALK, ("chat", "hello"), ("transcribe", "a.wav")])
def test_a_normal_ending_needs_no_line(triton: FakeTriton, command: tuple[str, ...]) -> None:
    done = qwen(*command)
    silent = "warning: narration: there is none in zh: no voice was given for it\n"
    assert (done.exit_code, done.stderr) == (0, silent if command[0] == "lesson" else "")


def test_every_command_is_in_the_table() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    tried = {name.split(",")[0] for name in CASES}
    assert names - {"recipe", "styles", "serve", "doctor", "doctor_command", "pull", "demo", "stage"} == tried
