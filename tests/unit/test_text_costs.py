"""What is done with callers' texts takes time in proportion to them, whatever they are made of."""

from collections.abc import Callable
from datetime import date

import pytest

from qwen_client.documents.blocks import Paragraph, Table
from qwen_client.documents.markdown import markdown
from qwen_engine.aligner.words import characters, split_words
from qwen_engine.asr.cues import cues_of_segments, cues_of_words
from qwen_engine.asr.itn import timed_figures
from qwen_engine.asr.repetition import repair_repetitions
from qwen_engine.asr.text_join import join_texts
from qwen_engine.chains.tasks.days import read_day
from qwen_engine.chains.tasks.minutes import meeting_minutes, minutes_charts
from qwen_engine.chains.workflow.references import references
from qwen_engine.text.clauses import Clauses
from qwen_engine.text.sentences import pieces, sentences, speaking_weight
from qwen_engine.tts.text import Text
from qwen_wire.subtitles import subtitles
from qwen_wire.transcripts import Segment, Word
from tests.costly_texts import TEXTS, assert_linear

MAX_WEIGHT = 300
DURATION_S = 60.0
DAY = date(2026, 11, 25)
LARGE, SMALL = 2_000, 600  # characters; fewer where more is done for each of them


def spoken_whole(text: str) -> None:
    Text(text, max_weight=MAX_WEIGHT, complete=True)


def spoken_in_one_bit(text: str) -> None:
    Text(text, max_weight=MAX_WEIGHT, complete=False).add("", complete=True)


def spoken_in_characters(text: str) -> None:
    arriving = Text("", max_weight=MAX_WEIGHT, complete=False)
    for char in text:
        arriving.add(char, complete=False)
    arriving.add("", complete=True)


def replied(text: str) -> None:
    clauses = Clauses()
    clauses.add(text)
    clauses.finish()


def aligned(language: str | None) -> Callable[[str], object]:
    return lambda text: [characters(word.text) for word in split_words(text, language)]


def shown_by_character(text: str) -> None:
    chars = [char for word in split_words(text) for char in characters(word.text)]
    step_s = DURATION_S / max(1, len(chars))
    words = [Word(char, number * step_s, (number + 1) * step_s) for number, char in enumerate(chars)]
    subtitles(cues_of_words(words, text, None, DURATION_S), "srt")


def timed_in_figures(text: str) -> None:
    """Every seventh character was written otherwise than it was said."""
    words = [Word(char, float(number), number + 1.0) for number, char in enumerate(text)]
    written = ["5" if number % 7 == 0 else char for number, char in enumerate(text)]
    timed_figures(words, written, chars=True)


def minuted(text: str) -> None:
    said = {"title": text, "decisions": [{"text": text}], "dates": [{"date": text, "event": text}]}
    minutes = meeting_minutes([{**said, "actions": [{"task": text, "owner": text, "due": text}]}], DAY.isoformat())
    minutes_charts(minutes, [{"start_s": 0.0, "speaker": text, "text": text}], [text], DAY.isoformat())


WORK: dict[str, tuple[Callable[[str], object], int]] = {
    "sentences": (sentences, LARGE),
    "pieces": (lambda text: pieces(text, MAX_WEIGHT), LARGE),
    "spoken whole": (spoken_whole, LARGE),
    "spoken in one bit": (spoken_in_one_bit, LARGE),
    "spoken in characters": (spoken_in_characters, SMALL),
    "replied": (replied, SMALL),
    "aligned": (aligned(None), LARGE),
    "aligned in Japanese": (aligned("Japanese"), LARGE),
    "aligned in Korean": (aligned("Korean"), LARGE),
    "shown by character": (shown_by_character, LARGE),
    "shown": (lambda text: cues_of_segments([Segment(0.0, DURATION_S, text)], None, DURATION_S), LARGE),
    "timed in figures": (timed_in_figures, SMALL // 2),
    "joined": (lambda text: join_texts(text.split(" ")), LARGE),
    "repaired": (repair_repetitions, LARGE),
    "minuted": (minuted, LARGE),
    "dated": (lambda text: read_day(text, DAY), LARGE),
    "searched for references": (lambda text: list(references(text)), LARGE),
    "in a document": (lambda text: markdown([Paragraph(text), Table((text,), ((text,),))], "en"), LARGE),
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", WORK)
def test_the_time_grows_as_the_text_does(name: str, text: str) -> None:
    work, size = WORK[name]
    assert_linear(work, TEXTS[text], size)


@pytest.mark.parametrize("text", TEXTS)
def test_what_waits_of_a_text_is_never_more_than_a_piece(text: str) -> None:
    whole = TEXTS[text](3000)
    arriving = Text("", max_weight=MAX_WEIGHT, complete=False)
    spoken = []
    for char in whole:
        arriving.add(char, complete=False)
        while (piece := arriving.next()) is not None:
            spoken.append(piece)
    before_end = sum(map(len, spoken))
    arriving.add("", complete=True)
    while (piece := arriving.next()) is not None:
        spoken.append(piece)
    letters = [char for char in whole if char.isalnum()]
    assert [char for piece in spoken for char in piece if char.isalnum()] == letters
    assert all(speaking_weight(piece) <= MAX_WEIGHT for piece in spoken)
    assert sum(map(len, spoken)) - before_end <= MAX_WEIGHT
