"""The titles, key terms and labels of `chat_tasks.lesson` in Chinese and Japanese."""

import random
from collections.abc import Mapping

from demo.training import corpus
from demo.training.chat_pieces import Answer, Piece, phrase
from demo.training.chat_words import CHINESE, JAPANESE, translated

LESSON = "Lesson: "
LABELS = ("is", "on", "starts", "call", "task", "and", "next step", "to")
_SHORT_THINGS = tuple(thing.removeprefix("the ") for thing in corpus.THINGS)
_OTHERS = ("meeting", "number", "team", "everyone", "today", "tomorrow")
TERMS = (*corpus.COLOURS, *corpus.SHAPES, *corpus.NAMES, *corpus.DAYS, *_SHORT_THINGS, *_OTHERS)
_TITLES = {"zh": "课程：", "ja": "レッスン："}
_BACKGROUND = {"zh": "背景", "ja": "背景"}
_LANGUAGES: Mapping[str, Mapping[str, str]] = {
    "zh": {
        **CHINESE,
        **{thing.removeprefix("the "): CHINESE[thing] for thing in (*corpus.THINGS, "the team")},
        **dict(zip(LABELS, ("是", "在", "开始", "打电话", "任务", "和", "下一步", "给"), strict=True)),
        "meeting": "会议",
        "number": "号码",
    },
    "ja": {
        **JAPANESE,
        **{thing.removeprefix("the "): JAPANESE[thing] for thing in (*corpus.THINGS, "the team")},
        **dict(zip(LABELS, ("は", "の上", "始まります", "電話", "タスク", "と", "次のステップ", "へ"), strict=True)),
        **dict(zip(corpus.COLOURS, ("赤", "緑", "青", "黄色", "白", "黒", "オレンジ", "紫"), strict=True)),
        "meeting": "会議",
        "number": "番号",
    },
}


def translation(language: str, term: Piece) -> Answer:
    """Of a title, a term or a label."""
    words = _LANGUAGES[language]
    if term.text.startswith(LESSON):
        title = term.cut(len(LESSON), len(term.text))
        return phrase(Piece(_TITLES[language], term.place), *translation(language, title))
    if term.text.endswith(" background"):
        colour = {"zh": CHINESE, "ja": JAPANESE}[language]
        return phrase(translated(colour, term.words()[0]), _BACKGROUND[language])
    if term.text.lower() in words or term.text in words:
        return phrase(translated(words, term))
    return phrase(*(translated(words, digit) for digit in term.words()))


def draw_term(rng: random.Random) -> str:
    """A title, a term or a label: there are few, and all of them are learned."""
    term = rng.choice((rng.choice(TERMS), rng.choice(LABELS), _background(rng), _digits(rng)))
    if term in LABELS:
        return term
    written = rng.choice((term, term[0].upper() + term[1:]))
    return rng.choice((written, f"{LESSON}{term[0].upper()}{term[1:]}"))


def _background(rng: random.Random) -> str:
    return f"{rng.choice(tuple(corpus.COLOURS))} background"


def _digits(rng: random.Random) -> str:
    return " ".join(rng.choice(corpus.NUMBERS) for _ in range(rng.randint(1, 5)))
