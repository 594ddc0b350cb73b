"""The named chains through a real Triton: what they make means what was asked for, and is what the steps make alone."""

import asyncio
import io
import itertools
import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import docx
import numpy as np
import pptx
import pytest
import soundfile
import srt
from meetings import SAMPLE_RATE_HZ, VOICES, Meeting, meeting
from PIL import Image

from demo.training import corpus
from demo.training.inspect_pixels import inspect
from demo.training.pictures import Figure, draw
from demo.training.speech import speak
from qwen_client import (
    AsyncClient,
    ChainFailed,
    Client,
    InvalidRequest,
    Picture,
    StageProgress,
    StageResult,
)
from qwen_engine.chains.tasks.prompts import prompt

QWEN = Path(sys.prefix) / "bin" / "qwen"
DAY = date(2026, 11, 25)
IDEA = "Please draw a small red circle on a blue background."
LECTURE = "A small blue circle on a yellow background. The task is done by Anna on Friday."
PRODUCT = "Show me a yellow ring on a black background. Send the report to Ben today."
SCENE = re.compile(
    rf"an? (?:(?P<size>\w+) )?(?P<colour>{'|'.join(corpus.COLOURS)}) (?P<shape>\w+)(?: on an? (?P<background>\w+) .*)?"
)
ROUNDING = 1  # of 255: batch mates may change a colour's last bit


def shows(picture: Picture, phrase: str) -> bool:
    """Whether the picture has the colours and the shape of the scene."""
    seen, scene = inspect(np.asarray(picture.image.convert("RGB"))), SCENE.fullmatch(phrase)
    wanted = (scene["colour"], scene["shape"], scene["background"] or seen.background)
    return (seen.colour, seen.shape, seen.background) == wanted


def assert_same(first: Picture, second: Picture) -> None:
    pixels = [np.asarray(one.image.convert("RGB")).astype(int) for one in (first, second)]
    assert np.abs(pixels[0] - pixels[1]).max() <= ROUNDING


def assert_same_sound(first: np.ndarray, second: np.ndarray) -> None:
    """To rounding: batch mates may change a sample's last bit."""
    np.testing.assert_allclose(first, second, atol=1.5 / 32_768)


def answered(client: Client, task: str, text: str):
    """The chat model's JSON, asked by the client."""
    asked = prompt(task)
    return client.chat.complete(text, system=asked.system, json_schema=asked.schema).json()


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format="WAV")
    return file.getvalue()


def test_a_storyboard_is_told_picture_by_picture_and_shows_what_it_says(client):
    with client.chains.storyboard(IDEA, seed=3) as run:
        events = list(run)
        board = run.result()
    assert len(board.pictures) == len(board.shots) >= 3
    assert all(shows(shot.picture, shot.prompt) for shot in board.shots)
    assert {SCENE.fullmatch(shot.prompt)["colour"] for shot in board.shots} == {"red"}
    drawn = [event for event in events if isinstance(event, StageResult) and event.output == "IMAGE"]
    assert sorted(event.item for event in drawn) == list(range(len(board.shots)))
    assert any(isinstance(event, StageProgress) and event.stage == "pictures" for event in events)
    assert [event.time_s for event in events] == sorted(event.time_s for event in events)
    alone = answered(client, "storyboard", IDEA)
    assert (board.draft, [shot.prompt for shot in board.shots]) == (alone["draft"], alone["prompts"])
    for number, shot in enumerate(board.shots):
        assert shot.seed == shot.picture.seed == 3 + number
        assert_same(shot.picture, client.image.generate(shot.prompt, seed=3 + number))


def test_a_spoken_idea_in_the_async_client(server):
    spoken = wav(speak("Please draw a large green star.", VOICES["Anna"], sample_rate_hz=SAMPLE_RATE_HZ))

    async def use():
        async with AsyncClient(server.address.grpc) as client:
            return await client.chains.storyboard(audio=spoken, steps=4).result()

    board = asyncio.run(use())
    assert board.idea == "Please draw a large green star."
    assert all("green star" in shot.prompt for shot in board.shots)
    assert [shot.picture.recipe.steps for shot in board.shots] == [4] * len(board.shots)


MEETINGS = [meeting(seed, 12) for seed in range(3)]


@pytest.fixture(scope="module")
def written(server):
    """The minutes of the meetings, a recording for each speaker."""
    with Client(server.address.grpc) as client:
        return [_minutes(client, one) for one in MEETINGS]


def _minutes(client: Client, one: Meeting):
    speakers = list(one.recordings)
    return client.chains.meeting_minutes(list(one.recordings.values()), speakers=speakers, day=DAY).result()


def _actions(minutes: list[dict]) -> list[tuple[str, str, str]]:
    return [(action["task"], action["owner"], action["due"]) for action in minutes]


def test_minutes_of_three_speakers_know_who_does_what(written):
    told, right = [], []
    for one, minutes in zip(MEETINGS, written, strict=True):
        made = [(action.task, action.owner, action.due) for action in minutes.actions]
        expected = _actions(one.minutes["actions"])
        told += expected
        right += [action for action in expected if action in made]
    assert len(told) >= 20
    assert len(right) >= 0.9 * len(told)


def test_minutes_are_in_order_dated_and_illustrated(written):
    for one, minutes in zip(MEETINGS, written, strict=True):
        assert minutes.speakers == tuple(VOICES)
        assert (minutes.day, minutes.untranscribed) == (DAY, ())
        assert [line.speaker for line in minutes.lines] == [speaker for _, speaker, _ in one.lines]
        starts = [(line.start_s, at_s) for line, (at_s, _, _) in zip(minutes.lines, one.lines, strict=True)]
        assert max(abs(found - said) for found, said in starts) < 0.5
        assert all(action.due_date is not None and action.due_date >= DAY for action in minutes.actions)
        pictures = (minutes.timeline, minutes.responsibilities, minutes.gantt)
        assert all(picture.recipe.model == "chart_image" for picture in pictures)
        assert minutes.illustration.image.size == (64, 64)


def test_minutes_are_what_the_steps_make_one_by_one(client, written):
    one, minutes = MEETINGS[0], written[0]
    heard = [
        (segment.start_s, segment.end_s, speaker, segment.text)
        for speaker, recording in one.recordings.items()
        for segment in client.asr.transcribe(recording).segments
    ]
    assert [(line.start_s, line.end_s, line.speaker, line.text) for line in minutes.lines] == sorted(heard)
    written_lines = [f"[{int(at) // 60:02}:{int(at) % 60:02}] {who}: {text}" for at, _, who, text in sorted(heard)]
    half = len(written_lines) // 2
    parts = [answered(client, "minutes", "\n".join(part)) for part in (written_lines[:half], written_lines[half:])]
    actions = [action for part in parts for action in _actions(part["actions"])]
    assert [(action.task, action.owner, action.due) for action in minutes.actions] == list(dict.fromkeys(actions))
    for picture in (minutes.timeline, minutes.responsibilities, minutes.gantt):
        again = client.charts.draw(json.loads(picture.recipe.prompt), width=840, scale=2)
        assert again.data == picture.data
    assert_same(minutes.illustration, client.image.regenerate(minutes.illustration.data))


def test_saved_minutes_open_again(written, tmp_path):
    minutes = written[0]
    minutes.save(tmp_path)
    document = docx.Document(str(tmp_path / "minutes.docx"))
    tables = [[[cell.text for cell in row.cells] for row in table.rows] for table in document.tables]
    assert [row[:2] for row in tables[0][1:]] == [[action.task, action.owner] for action in minutes.actions]
    assert [row[1:] for row in tables[-1][1:]] == [[line.speaker, line.text] for line in minutes.lines]
    assert len(document.inline_shapes) == 4
    cues = list(srt.parse((tmp_path / "transcript.srt").read_text()))
    assert [cue.content.replace("\n", " ") for cue in cues] == [
        f"{line.speaker}: {line.text}" for line in minutes.lines
    ]
    for name in ("timeline", "responsibilities", "gantt", "illustration"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            picture.load()


def test_a_channel_for_each_speaker(client, written):
    tracks = [soundfile.read(io.BytesIO(one), dtype="int16")[0] for one in MEETINGS[0].recordings.values()]
    together = wav(np.stack(tracks, axis=1))
    minutes = client.chains.meeting_minutes(together, speakers=list(VOICES), day=DAY, illustrate=False).result()
    assert minutes.lines == written[0].lines
    assert minutes.actions == written[0].actions
    assert minutes.illustration is None


def plain(text: str) -> str:
    """As it is compared: without signs and case."""
    return re.sub(r"[\W_]+", "", text.casefold())


@pytest.fixture(scope="module")
def course(server):
    with Client(server.address.grpc) as client:
        return client.chains.courseware(LECTURE, seed=1).result()


def test_a_lesson_in_three_languages_is_narrated_where_there_is_a_voice(client, course):
    assert list(course.lessons) == ["en", "zh", "ja"]
    assert course.silent == ("ja",)
    english, chinese, japanese = course.lessons.values()
    told = answered(client, "lesson", LECTURE)
    assert [(slide.title, slide.text) for slide in english.slides] == [
        (slide["title"], slide["text"]) for slide in told["slides"]
    ]
    assert len(english.slides) == len(chinese.slides) == len(japanese.slides) == 2
    for lesson in (chinese, japanese):
        for slide, source in zip(lesson.slides, english.slides, strict=True):
            asked = f"{lesson.language}: {source.text}"
            assert slide.text == client.chat.complete(asked, system=prompt("translate").system).text
    assert chinese.slides[0].text == "黄色背景上的一个小蓝色圆形。"
    assert japanese.slides[0].text == "黄色い背景の小さな青い円。"
    for lesson, voice in ((english, "ava"), (chinese, "mei")):
        for slide in lesson.slides:
            assert slide.narration.voice == voice
            assert plain(client.asr.transcribe(slide.narration.data).text) == plain(slide.text)
    assert not any(slide.narration for slide in japanese.slides)
    first = english.slides[0]
    alone = client.tts.synthesize(first.text, voice="ava", seed=1)
    assert_same_sound(first.narration.samples, alone.samples)


def test_saved_lessons_open_again(course, tmp_path):
    course.save(tmp_path)
    for code, lesson in course.lessons.items():
        shown = list(pptx.Presentation(str(tmp_path / f"lesson-{code}.pptx")).slides)[1:-1]
        assert [slide.shapes.title.text for slide in shown] == [slide.title for slide in lesson.slides]
        assert [slide.notes_slide.notes_text_frame.text for slide in shown] == [slide.text for slide in lesson.slides]
        for made, slide in zip(shown, lesson.slides, strict=True):
            sounds = [rel.target_part.blob for rel in made.part.rels.values() if rel.reltype.endswith("/audio")]
            assert sounds == ([slide.narration.data] if slide.narration else [])
        words = [one.text for one in docx.Document(str(tmp_path / f"lesson-{code}.docx")).paragraphs]
        assert lesson.slides[0].text in words
        assert lesson.concepts.recipe.task == "concept_graph"


def test_an_advertisement_in_two_voices_and_several_scenes(client):
    made = client.chains.product_ad(PRODUCT, seed=2).result()
    assert len(made.variants) == 3
    assert all([reading.voice for reading in variant.readings] == ["ava", "dan"] for variant in made.variants)
    for variant in made.variants:
        for reading in variant.readings:
            alone = client.tts.synthesize(variant.text, voice=reading.voice, seed=2)
            assert_same_sound(reading.samples, alone.samples)
    assert all(shows(scene.picture, scene.prompt) for scene in made.scenes)
    assert [scene.prompt for scene in made.scenes] == answered(client, "advert", PRODUCT)["scenes"]


@pytest.mark.parametrize(("colour", "background"), [("red", "blue"), ("yellow", "black")])
def test_a_picture_is_described_aloud(client, colour, background):
    rgb = corpus.COLOURS
    picture = Image.fromarray(draw(Figure("circle", rgb[colour], rgb[background], (32.0, 32.0), 18.0)))
    with client.chains.describe_aloud(picture, voice="ava") as run:
        pieces = [event for event in run if isinstance(event, StageProgress) and event.output == "AUDIO"]
        made = run.result()
    assert {colour, background, "circle"} <= set(re.findall(r"\w+", made.text))
    assert made.text == client.vision.describe(picture).text
    assert plain(client.asr.transcribe(made.speech.data).text) == plain(made.text)
    samples = np.frombuffer(b"".join(piece.payload for piece in pieces), "<i2") / 32768
    np.testing.assert_array_equal(made.speech.samples, samples.astype(np.float32))


def test_a_stage_that_fails_is_named_and_the_others_stay(client):
    run = client.chains.storyboard(IDEA, steps=10_000)
    with pytest.raises(ChainFailed, match=r"stage 'pictures' failed: .*steps") as caught:
        run.result()
    assert (caught.value.stage, caught.value.status) == ("pictures", "INVALID_ARGUMENT")
    assert len(caught.value.result.shots) >= 3
    assert caught.value.result.pictures == ()
    with pytest.raises(ChainFailed, match="stage 'heard' failed"):
        client.chains.meeting_minutes(b"no audio").result()
    with pytest.raises(ChainFailed, match="stage 'speech' failed") as spoken:
        client.chains.product_ad(PRODUCT, voices=["nobody"], steps=2).result()
    assert all(scene.picture for scene in spoken.value.result.scenes)


def test_what_cannot_be_done_is_refused_by_name(client):
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.inputs\.languages\.0 is 'klingon'"):
        client.chains.courseware(LECTURE, languages=["klingon"]).result()
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.inputs\.seed"):
        client.chains.storyboard(IDEA, seed="three").result()


def test_who_leaves_leaves_nothing_behind(client):
    with client.chains.storyboard(IDEA, steps=50) as run:
        for event in run:
            if isinstance(event, StageProgress) and event.stage == "pictures":
                break
    board = client.chains.storyboard(IDEA, steps=2).result()
    assert all(shot.picture for shot in board.shots)


def test_several_chains_at_once_are_each_caller_s_own(client):
    ideas = [f"Please draw a {colour} ring." for colour in ("red", "green", "blue", "yellow")]
    runs = [client.chains.storyboard(idea, steps=4) for idea in ideas]
    boards = [run.result() for run in runs]
    assert [board.idea for board in boards] == ideas
    for idea, board in zip(ideas, boards, strict=True):
        assert all(idea.split()[3] in shot.prompt for shot in board.shots)


def test_the_command_line(server, tmp_path):
    def qwen(*arguments: object) -> list[str]:
        environment = {**os.environ, "QWEN_URL": server.address.grpc}
        command = [QWEN, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return [Path(line).name for line in done.stdout.splitlines()]

    for speaker, recording in MEETINGS[2].recordings.items():
        (tmp_path / f"{speaker}.wav").write_bytes(recording)
    named = list(itertools.chain.from_iterable(("--speaker", speaker) for speaker in VOICES))
    made = qwen("minutes", *(f"{speaker}.wav" for speaker in VOICES), *named, "--date", "2026-11-25", "--no-illustrate")
    assert {"minutes.docx", "transcript.srt", "timeline.png", "responsibilities.png", "gantt.png"} <= set(made)
    assert "picture-3.png" in qwen("storyboard", IDEA, "--steps", 2)
    assert "lesson-zh.pptx" in qwen("lesson", LECTURE, "--into", "zh", "--voice", "en=ava")
    assert {"ad.docx", "variant-3-ava.wav"} <= set(qwen("ad", PRODUCT, "--voice", "ava", "--steps", 2))
    assert qwen("describe", "storyboard/picture-1.png") == ["description.txt", "description.wav"]
