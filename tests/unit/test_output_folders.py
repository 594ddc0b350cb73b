"""Folders of results: names that a server chose, texts that no document may hold, what an earlier run left."""

import json
from pathlib import Path

import pytest
from chain_scripts import CHAIN_SCRIPTS, failing, storyboard
from command_line import qwen
from docx import Document
from fake_triton import FakeTriton
from pptx import Presentation

from qwen_client import WorkflowResult
from qwen_client.chains.stories import Storyboard
from qwen_client.commands.chain_view import failed_folder
from qwen_client.documents.blocks import Heading, Items, Paragraph, Table
from qwen_client.documents.folder import Folder, file_name
from qwen_client.documents.markdown import markdown
from qwen_client.documents.slides import Deck, Slide, write_slides
from qwen_client.documents.word import write_word
from qwen_wire.messages import Timings

HOSTILE = ["../package", "/etc/passwd", "a/b", "x" * 300, "nul\0", "", ".", "..", ".hidden", "c:\\x", "con?*", "a\nb"]
CONTROL = "".join(map(chr, [*range(32), 127, 0x85, 0xFFFE, 0xD800]))


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_outputs_stay_in_their_folder(name: str, tmp_path: Path) -> None:
    result = WorkflowResult({name: "text", f"{name}.": b"\x89PNG", "plain": [1]}, {}, (), "", Timings(0, None, 0), "1")
    files = result.save(tmp_path / "out")
    assert len(set(files)) == len(files) == 4
    for file in files:
        assert file.parent == tmp_path / "out"
        assert file.is_file()
        assert len(file.name.encode()) <= 140
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert "plain.json" in {file.name for file in files}


@pytest.mark.parametrize("name", ["text.txt", "pictures-1.png", "图片.webp", "a.b-c_d+e.json"])
def test_plain_names_stay_as_they_are(name: str) -> None:
    assert file_name(name) == name
    assert file_name(name, {name}) != name


def test_what_an_earlier_run_wrote_is_gone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for pictures in (5, 2):
        files = Folder(tmp_path)
        for number in range(pictures):
            files.text(f"picture-{number}.txt", "x")
        assert files.finish() == [tmp_path / f"picture-{number}.txt" for number in range(pictures)]
    assert {file.name for file in tmp_path.glob("[!.]*")} == {"notes.txt", "picture-0.txt", "picture-1.txt"}


@pytest.mark.parametrize("listed", ["not json", '["../../x", "/x", 5, "notes.txt/.."]', "5"])
def test_a_listing_that_somebody_has_changed_removes_nothing_elsewhere(listed: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    out = tmp_path / "a" / "out"
    out.mkdir(parents=True)
    (out / ".files.json").write_text(listed)
    Folder(out).finish()
    assert (tmp_path / "x").read_text() == "mine"
    assert json.loads((out / ".files.json").read_text()) == []


@pytest.mark.usefixtures("command_line")
def test_a_failed_run_leaves_the_documents_of_a_good_one() -> None:
    with FakeTriton(dict(CHAIN_SCRIPTS)) as triton:
        url = ("--url", triton.address)
        assert qwen("storyboard", "A red ring.", *url).exit_code == 0
        before = {file: file.read_bytes() for file in Path("storyboard").iterdir()}
        triton.scripts["storyboard"] = failing(storyboard, "pictures", after=9)
        failed = qwen("storyboard", "A red ring.", *url)
    assert failed.exit_code == 1
    assert {file: file.read_bytes() for file in Path("storyboard").iterdir()} == before
    assert {Path(file).parent.name for file in failed.stdout.split()} == {"storyboard-failed"}


def test_documents_hold_any_text(tmp_path: Path) -> None:
    text = f"before{CONTROL}after"
    blocks = [Heading(text * 100, 1), Paragraph(text), Items((text,)), Table((text,), ((text,),))]
    write_word(blocks, tmp_path / "x.docx", "en")
    read = Document(str(tmp_path / "x.docx"))
    assert "beforeafter" in read.paragraphs[0].text.replace("\n", "").replace("\t", "").replace("\r", "")
    assert len(read.core_properties.title) == 255
    write_slides(Deck(text * 100, text, "en", (Slide(text * 100, text, (text,), text),)), tmp_path / "x.pptx")
    assert len(Presentation(str(tmp_path / "x.pptx")).slides) == 2
    assert "\x00" not in markdown(blocks, "en")


def test_a_storyboard_of_any_text_is_saved(tmp_path: Path) -> None:
    files = Storyboard(f"idea{CONTROL}", f"draft{CONTROL}" * 200, ()).save(tmp_path)
    assert {file.suffix for file in files} == {".md", ".docx"}


@pytest.mark.parametrize(("out", "failed"), [("a/b", "a/b-failed"), (".", "failed"), ("..", "../failed")])
def test_where_a_failed_run_is_saved(out: str, failed: str) -> None:
    assert failed_folder(Path(out)) == Path(failed)
