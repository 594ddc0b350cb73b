"""`qwen minutes`, `storyboard`, `lesson`, `ad` and `describe`: files in a folder, their names on stdout."""

import json
import sys
from pathlib import Path

import pytest
from chain_scripts import CHAIN_SCRIPTS, failing, picture, storyboard
from command_line import assert_fails_on_one_line, qwen, record
from fake_triton import FakeTriton

pytestmark = pytest.mark.usefixtures("command_line")


@pytest.fixture
def triton():
    with FakeTriton(dict(CHAIN_SCRIPTS)) as server:
        yield server


def asked(triton: FakeTriton) -> dict:
    return json.loads(triton.received[-1].inputs["OPTIONS"]).get("inputs", {})


def test_minutes(triton):
    record("a.wav", "b.wav")
    named = ("--speaker", "Anna", "--speaker", "Ben", "--date", "2026-11-26", "--no-illustrate", "--seed", "2")
    result = qwen("minutes", "a.wav", "b.wav", "--out", "made", *named)

    assert (result.exit_code, result.stderr) == (0, "")
    files = result.stdout.split()
    assert files == [str(Path("made") / Path(file).name) for file in files]
    assert all(Path(file).is_file() for file in files)
    assert "made/minutes.docx" in files
    assert "made/illustration.png" not in files
    assert asked(triton) == {"speakers": ["Anna", "Ben"], "date": "2026-11-26", "illustrate": False, "seed": 2}


def test_storyboard_of_standard_input(triton):
    result = qwen("storyboard", "-", "--size", "32x48", "--steps", "3", stdin="A red ring.\n")

    assert result.stdout.split()[:3] == [f"storyboard/picture-{number}.png" for number in (1, 2, 3)]
    assert triton.received[0].inputs["TEXT"] == b"A red ring."
    assert asked(triton) == {"width": 32, "height": 48, "steps": 3}


def test_lesson_of_a_recording(triton):
    record("lecture.wav")
    triton.scripts["courseware"] = lambda inputs: CHAIN_SCRIPTS["courseware"]({**inputs, "TEXT": b"A ring."})
    options = ("--into", "zh", "--into", "ja", "--voice", "en=ava", "--voice", "zh")
    made = json.loads(qwen("lesson", "--audio", "lecture.wav", *options, "--json").stdout)

    assert "lesson/lesson-zh.pptx" in made["files"]
    assert triton.received[0].inputs["AUDIO"] == b"x"
    assert asked(triton) == {"languages": ["zh", "ja"], "voices": {"en": "ava", "zh": None}}


def test_ad(triton):
    result = qwen("ad", "A red ring.", "-o", "x", "--voice", "ava", "--voice", "dan", "--style", "anime")

    assert {"x/variant-2-dan.wav", "x/scene-1.png"} <= set(result.stdout.split())
    assert asked(triton) == {"voices": ["ava", "dan"], "style": "anime"}
    assert json.loads(triton.received[-1].inputs["OPTIONS"])["deadline_s"] == 600.0


def test_describe(triton):
    Path("x.png").write_bytes(picture("x"))
    result = qwen("describe", "x.png", "What is it?", "--voice", "ava")

    assert result.stdout.split() == ["description/description.txt", "description/description.wav"]
    assert Path("description/description.txt").read_text() == "What is it? A ring.\n"


def test_stages_are_shown_on_terminals_and_never_on_stdout(triton, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes stderr for a terminal
    record("a.wav")
    drawn, written = qwen("storyboard", "A red ring."), qwen("minutes", "a.wav")

    assert drawn.stdout.split()[0] == "storyboard/picture-1.png"
    assert "story" in drawn.stderr
    assert "3/3" in drawn.stderr
    assert "skipped" in written.stderr


def test_what_was_made_before_a_stage_failed_is_saved(triton):
    triton.scripts["storyboard"] = failing(storyboard, "pictures", after=9)
    result = qwen("storyboard", "A red ring.")

    assert result.exit_code == 1
    assert result.stdout.split() == [
        f"storyboard-failed/{name}" for name in ("picture-2.png", "storyboard.md", "storyboard.docx")
    ]
    assert result.stderr.startswith("error: stage 'pictures' failed: the queue is full (UNAVAILABLE)")
    assert result.stderr.count("\n") == 1


def test_what_cannot_be_written_is_refused_before_the_work(triton, monkeypatch):
    assert_fails_on_one_line(qwen("storyboard", "A ring.", "-o", "nowhere/x"), "there is no folder nowhere")
    assert_fails_on_one_line(qwen("minutes", "missing.wav"), "missing.wav")
    assert_fails_on_one_line(qwen("lesson"), "there is no lecture")
    monkeypatch.setitem(sys.modules, "pptx", None)
    assert_fails_on_one_line(qwen("lesson", "A ring."), "python-pptx, which writes the document, is not installed")
    assert triton.received == []
