"""Named chains in the SDK: what is asked for, what is told on the way, the result and its files."""

import asyncio
import io
import json
import sys
from datetime import date

import docx
import numpy as np
import pptx
import pytest
import soundfile
import srt
from chain_scripts import CHAIN_SCRIPTS, SPEECH_RATE_HZ, Telling, failing, picture, storyboard
from client_scripts import SCRIPTS
from fake_triton import FakeTriton

from qwen_client import (
    AsyncClient,
    Cancelled,
    ChainFailed,
    Client,
    InvalidRequest,
    StageProgress,
    StageResult,
    StageStarted,
)


@pytest.fixture
def triton():
    with FakeTriton({**SCRIPTS, **CHAIN_SCRIPTS}) as server:
        yield server


def asked(triton: FakeTriton) -> dict:
    return json.loads(triton.received[-1].inputs["OPTIONS"])


def recording(*loudness: float, seconds: float = 0.2) -> bytes:
    """A WAV file with a channel of each loudness."""
    file = io.BytesIO()
    soundfile.write(file, np.tile(loudness, (int(16_000 * seconds), 1)), 16_000, format="WAV")
    return file.getvalue()


def names(files) -> set[str]:
    return {file.name for file in files}


def test_a_run_tells_its_stages_and_has_a_result(client, triton):
    with client.chains.storyboard("A red circle.", seed=3, size="16:9", style="anime") as run:
        events = list(run)
        board = run.result()
    assert asked(triton) == {"inputs": {"seed": 3, "aspect": "16:9", "style": "anime"}}
    assert set(triton.received[0].inputs) == {"TEXT", "OPTIONS"}
    assert [event.stage for event in events][:3] == ["idea", "story", "story"]
    assert [event.items for event in events if isinstance(event, StageStarted)] == [None, 3]
    assert [event.event["step"] for event in events if isinstance(event, StageProgress)] == [1]
    drawn = [event.item for event in events if isinstance(event, StageResult) and event.output == "IMAGE"]
    assert drawn == [1, 0, 2]
    assert (board.idea, board.draft) == ("A red circle.", "A red circle. Twice.")
    assert [(shot.prompt, shot.seed, shot.picture.seed) for shot in board.shots] == [
        ("a", 3, 3),
        ("b", 4, 4),
        ("c", 5, 5),
    ]
    assert [(one.prompt, one.picture, one.image.size) for one in board.pictures] == [
        ("a", 0, (64, 48)), ("b", 1, (64, 48)), ("c", 2, (64, 48)),
    ]  # fmt: skip
    assert run.request_id == triton.received[0].request_id


def test_what_is_not_asked_for_is_not_sent(client, triton):
    client.chains.storyboard(audio=b"xyz").result()
    assert asked(triton) == {}
    assert triton.received[0].inputs["AUDIO"] == b"xyz"
    with pytest.raises(InvalidRequest, match="there is no idea"):
        client.chains.storyboard()
    with pytest.raises(InvalidRequest, match="there is no lecture"):
        client.chains.courseware()


def test_both_clients_give_the_same(client, triton):
    async def use():
        async with AsyncClient(triton.address) as asking:
            async with asking.chains.storyboard("A ring.") as run:
                stages = [event.stage async for event in run]
                board = await run.result()
            described = await asking.chains.describe_aloud(picture("x")).result()
            return stages, board.as_markdown(), described.speech.data

    run = client.chains.storyboard("A ring.")
    stages = [event.stage for event in run]
    expected = (stages, run.result().as_markdown(), client.chains.describe_aloud(picture("x")).result().speech.data)
    assert asyncio.run(use()) == expected


def test_minutes_of_three_files(client, triton):
    minutes = client.chains.meeting_minutes(
        [b"a", b"bb", b"ccc"], speakers=["Anna", "Ben", "Clara"], day=date(2026, 11, 26), context="Qwen", seed=2
    ).result()
    assert triton.received[0].inputs["AUDIO"] == (b"a", b"bb", b"ccc")
    assert asked(triton)["inputs"] == {
        "speakers": ["Anna", "Ben", "Clara"], "date": "2026-11-26", "context": "Qwen", "seed": 2,
    }  # fmt: skip
    assert minutes.day == date(2026, 11, 26)
    assert [(line.speaker, line.text) for line in minutes.lines][2] == ("Clara", "3 bytes | *all*")
    assert [(action.owner, action.due_date) for action in minutes.actions] == [
        ("Ben", date(2026, 11, 27)),
        ("Anna", None),
    ]
    assert minutes.dates[0].on == date(2026, 11, 30)
    assert minutes.untranscribed == ("00:09 to 00:10, Anna: internal error",)
    assert (minutes.gantt, minutes.timeline.prompt) == (None, "Meeting about the plan")


STEREO = recording(0.25, 0.5)


@pytest.mark.parametrize(
    ("recordings", "speakers", "channels"),
    [
        (STEREO, None, [0.25, 0.5]),
        (STEREO, ["Anna", "Ben"], [0.25, 0.5]),
        (STEREO, ["Everyone"], None),
        ([STEREO, recording(0.75)], ["Anna", "Ben", "Clara"], [0.25, 0.5, 0.75]),
        ([STEREO, recording(0.75)], ["Anna", "Ben"], None),
        ([STEREO, recording(0.75)], None, None),
        (recording(0.75), None, None),
        (b"a format that libsndfile does not know", None, None),
    ],
)
def test_who_speaks_where(client, triton, recordings, speakers, channels):
    client.chains.meeting_minutes(recordings, speakers=speakers).result()
    sent = triton.received[0].inputs["AUDIO"]
    if channels is None:
        assert list(sent) == (recordings if isinstance(recordings, list) else [recordings])
    else:
        tracks = [soundfile.read(io.BytesIO(track)) for track in sent]
        assert [samples.shape for samples, _ in tracks] == [(3200,)] * len(channels)
        assert [rate_hz for _, rate_hz in tracks] == [16_000] * len(channels)
        assert [samples.mean() for samples, _ in tracks] == pytest.approx(channels, abs=1e-4)


def test_samples_are_a_recording_too(client, triton):
    client.chains.meeting_minutes((np.zeros((800, 2), np.float32), 16_000)).result()
    assert len(triton.received[0].inputs["AUDIO"]) == 2


@pytest.mark.parametrize(
    ("recordings", "speakers", "message"),
    [
        ([], None, "recordings is empty"),
        ([STEREO], ["Anna", "Ben", "Clara"], r"speakers has 3 names for 1 recordings with 2 channels in all"),
    ],
)
def test_speakers_must_fit_the_recordings(client, recordings, speakers, message):
    with pytest.raises(InvalidRequest, match=message):
        client.chains.meeting_minutes(recordings, speakers=speakers)


def test_saved_minutes_open_again(client, tmp_path):
    minutes = client.chains.meeting_minutes([b"a", b"bb"], speakers=["Anna", "Ben"]).result()
    files = minutes.save(tmp_path / "made")
    assert names(files) == {
        "minutes.md", "minutes.docx", "minutes.json", "transcript.srt", "timeline.png", "responsibilities.png",
        "illustration.png",
    }  # fmt: skip
    assert all(file.stat().st_size > 50 for file in files)
    document = docx.Document(str(tmp_path / "made" / "minutes.docx"))
    assert document.core_properties.title == "Meeting about the plan"
    actions, dates, said = ([[cell.text for cell in row.cells] for row in table.rows] for table in document.tables)
    assert actions == [
        ["Task", "Owner", "Due"],
        ["the report", "Ben", "Friday (2026-11-27)"],
        ["the date", "Anna", "soon"],
    ]
    assert dates[1] == ["Monday (2026-11-30)", "the meeting starts"]
    assert said[1:] == [["00:00", "Anna", "1 bytes | *all*"], ["01:01", "Ben", "2 bytes | *all*"]]
    assert len(document.inline_shapes) == 3
    told = json.loads((tmp_path / "made" / "minutes.json").read_text())
    assert told["actions"][0] == {"task": "the report", "owner": "Ben", "due": "Friday", "due_date": "2026-11-27"}
    assert told["day"] == "2026-11-25"
    cues = list(srt.parse((tmp_path / "made" / "transcript.srt").read_text()))
    assert [(cue.start.total_seconds(), cue.content) for cue in cues] == [
        (0.0, "Anna: 1 bytes | *all*"),
        (61.0, "Ben: 2 bytes | *all*"),
    ]
    text = (tmp_path / "made" / "minutes.md").read_text()
    assert "| the report | Ben | Friday (2026-11-27) |" in text
    assert r"2 bytes \| \*all\*" in text
    assert "![Who does what](responsibilities.png)" in text


def test_a_saved_lesson_is_a_presentation_for_each_language(client, tmp_path):
    made = client.chains.courseware("A red circle.", languages=["zh"], voices={"en": "ava"}).result()
    assert (made.source, made.silent, list(made.lessons)) == ("en", ("zh",), ["en", "zh"])
    files = made.save(tmp_path)
    assert names(files) == {
        *(f"lesson-{code}.{suffix}" for code in ("en", "zh") for suffix in ("md", "docx", "pptx")),
        "concepts-en.png", "concepts-zh.png", "narration-en-1.wav",
    }  # fmt: skip
    first, slide, graph = pptx.Presentation(str(tmp_path / "lesson-en.pptx")).slides
    assert first.shapes.title.text == "Lesson: Circle"
    assert slide.shapes.title.text == "Circle"
    assert slide.placeholders[1].text_frame.text == "A red circle."
    assert slide.placeholders[2].text_frame.text == "Key terms\ncircle\nred"
    assert slide.notes_slide.notes_text_frame.text == "A red circle."
    sounds = [rel.target_part for rel in slide.part.rels.values() if rel.reltype.endswith("/audio")]
    assert [sound.blob for sound in sounds] == [(tmp_path / "narration-en-1.wav").read_bytes()]
    assert [str(sound.partname).rpartition(".")[2] for sound in sounds] == ["wav"]
    assert "PICTURE" in [shape.shape_type.name for shape in graph.shapes]
    silent = pptx.Presentation(str(tmp_path / "lesson-zh.pptx")).slides[1]
    assert silent.notes_slide.notes_text_frame.text == "红色圆形。"
    assert not any(rel.reltype.endswith("/audio") for rel in silent.part.rels.values())
    assert "[Narration, 0:01](narration-en-1.wav)" in (tmp_path / "lesson-en.md").read_text()


def test_an_ad_has_every_variant_in_every_voice(client, triton, tmp_path):
    made = client.chains.product_ad("A ring.", voices=["ava", "dan"], steps=4).result()
    assert asked(triton)["inputs"] == {"voices": ["ava", "dan"], "steps": 4}
    assert [[reading.voice for reading in variant.readings] for variant in made.variants] == [["ava", "dan"]] * 2
    spoken = [reading for variant in made.variants for reading in variant.readings]
    assert [reading.duration_s for reading in spoken] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert [(reading.text, reading.sample_rate) for reading in spoken][2] == ("Buy B.", SPEECH_RATE_HZ)
    files = made.save(tmp_path)
    assert names(files) == {
        "ad.md", "ad.docx", "scene-1.png", *(f"variant-{n}-{voice}.wav" for n in (1, 2) for voice in ("ava", "dan")),
    }  # fmt: skip
    assert [one.text for one in docx.Document(str(tmp_path / "ad.docx")).paragraphs][:3] == [
        "Advertisement", "A ring.", "Variant A",
    ]  # fmt: skip
    plain = client.chains.product_ad("A ring.").result()
    assert names(plain.save(tmp_path / "plain")) == {
        "ad.md", "ad.docx", "scene-1.png", "variant-1.wav", "variant-2.wav",
    }  # fmt: skip


def test_a_description_can_be_heard_while_it_is_spoken(client, tmp_path):
    with client.chains.describe_aloud(picture("x"), "What is it?", voice="ava") as run:
        pieces = [event for event in run if isinstance(event, StageProgress) and event.output == "AUDIO"]
    assert [len(piece.payload) for piece in pieces] == [3840]
    made = run.result()
    assert made.text == "What is it? A ring."
    assert names(made.save(tmp_path)) == {"description.txt", "description.wav"}
    made.speech.save(tmp_path / "x.ogg")
    assert soundfile.info(tmp_path / "x.ogg").duration == pytest.approx(0.08)


def test_a_failed_stage_is_named_and_what_was_made_is_kept(client, triton, tmp_path):
    triton.scripts["storyboard"] = failing(storyboard, "pictures", after=9)
    with pytest.raises(ChainFailed, match="stage 'pictures' failed: the queue is full") as caught:
        client.chains.storyboard("A ring.").result()
    failure = caught.value
    assert (failure.stage, failure.status, failure.request_id) == (
        "pictures", "UNAVAILABLE", triton.received[0].request_id,
    )  # fmt: skip
    assert failure.result.draft == "A ring. Twice."
    assert [shot.picture is None for shot in failure.result.shots] == [True, False, True]
    assert names(failure.result.save(tmp_path)) == {"storyboard.md", "storyboard.docx", "picture-2.png"}


@pytest.mark.parametrize("chain", CHAIN_SCRIPTS)
def test_every_result_can_be_saved_however_early_its_chain_failed(client, triton, tmp_path, chain):
    calls = {
        "storyboard": lambda: client.chains.storyboard("A ring."),
        "meeting_minutes": lambda: client.chains.meeting_minutes(b"a"),
        "courseware": lambda: client.chains.courseware("A ring."),
        "product_ad": lambda: client.chains.product_ad("A ring."),
        "describe_aloud": lambda: client.chains.describe_aloud(picture("x")),
    }
    for after in range(8):
        triton.scripts[chain] = failing(CHAIN_SCRIPTS[chain], "x", after)
        with pytest.raises(ChainFailed) as caught:
            calls[chain]().result()
        caught.value.result.save(tmp_path / str(after))


def test_a_cancelled_chain_has_no_result(client, triton):
    triton.scripts["storyboard"] = lambda _: iter([Telling().end("cancelled")])
    with pytest.raises(Cancelled):
        client.chains.storyboard("A ring.").result()


def test_leaving_early_cancels(client, triton):
    def endless(_):
        yield Telling().stage("started", "story")
        triton.cancelled.wait()

    triton.scripts["storyboard"] = endless
    with client.chains.storyboard("A ring.") as run:
        next(run)
    assert triton.cancelled.wait(60)


@pytest.mark.parametrize(("module", "library"), [("docx", "python-docx"), ("pptx", "python-pptx")])
def test_a_missing_library_is_named_before_anything_is_written(client, tmp_path, monkeypatch, module, library):
    monkeypatch.setitem(sys.modules, module, None)
    made = client.chains.courseware("A ring.").result()
    with pytest.raises(InvalidRequest, match=rf"{library}.* is not installed.*pip install {library}"):
        made.save(tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_the_clients_share_a_connection_between_runs(triton):
    with Client(triton.address) as client:
        runs = [client.chains.storyboard(f"Number {number}.") for number in range(4)]
        assert [run.result().idea for run in runs] == [f"Number {number}." for number in range(4)]
