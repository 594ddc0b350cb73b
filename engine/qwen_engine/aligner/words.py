"""The words of a text, as units for the aligner and as written.

The aligner was trained on letters and digits only: a Chinese character is a word, elsewhere spaces separate words. It
gets these units; results have stretches of the text, each word with its punctuation, so that only white space is left
between them.

Words are those of `split_words_for_alignment` (transformers, `models/qwen3_asr/processing_qwen3_asr.py`). Korean is cut
as there without a dictionary: two syllables and the rest are separate units of one word. It cuts Japanese by
a morphological analyser (nagisa), of 50 MB and with a framework of its own; here each kanji is a word, and so is each
run of hiragana or katakana.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from qwen_engine.asr.text_join import is_opening

TOKEN = re.compile(r"\S+")
APOSTROPHE = "'"
SOUND_MARK = "ー"
KOREAN_HEAD = 2
MAX_MARKS = 30  # on one character
HAN = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
HIRAGANA = ((0x3040, 0x309F),)
KATAKANA = ((0x30A0, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F))
HANGUL = ((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7AF))
CYRILLIC = ((0x0400, 0x052F),)
SCRIPTS = {"Japanese": (*HIRAGANA, *KATAKANA), "Korean": HANGUL, "Chinese": HAN, "Russian": CYRILLIC}


@dataclass(frozen=True)
class TextWord:
    """`text`: as written, with its punctuation; `units`: for the aligner, at least one."""

    text: str
    units: tuple[str, ...]

    @property
    def num_letters(self) -> int:
        return sum(map(len, self.units))


@dataclass
class _Core:
    """A word's letters in the text, from the first to the last."""

    start: int
    end: int
    units: tuple[str, ...]


def split_words(text: str, language: str | None = None) -> list[TextWord]:
    """The words of `text` in `language` (an English name; None: of any with spaces between words, or Chinese)."""
    cores = list(_korean_cores(text) if language == "Korean" else _cores(text, language))
    if not cores:
        return []
    cuts = [_cut(text, left.end, right.start) for left, right in pairwise(cores)]
    begins = [len(text) - len(text.lstrip()), *(begin for _, begin in cuts)]
    stops = [*(stop for stop, _ in cuts), len(text.rstrip())]
    return [TextWord(text[begin:stop], core.units) for core, begin, stop in zip(cores, begins, stops, strict=True)]


def characters(word: str) -> list[str]:
    """A word's letters and digits one by one, each with its signs; joined they are the word."""
    read = [index for index, char in enumerate(word) if _is_read(char)]
    return [word[start:end] for start, end in pairwise([0, *read[1:], len(word)])] if word else []


def language_of_script(text: str) -> str | None:
    """The language of the script of `text`; None for Latin."""
    for language, ranges in SCRIPTS.items():
        if any(_within(char, ranges) for char in text):
            return language
    return None


def _cores(text: str, language: str | None) -> Iterator[_Core]:
    start, end = -1, -1
    last = ""  # of the core, without prolonged sound marks
    for index, char in enumerate(f"{text} "):
        is_han = _within(char, HAN)
        ends = char.isspace() or is_han or (language == "Japanese" and _is_other_kana(last, char))
        if ends and start >= 0:
            yield _core(text, start, end)
            start, last = -1, ""
        if is_han:
            yield _core(text, index, index + 1)
        elif _is_read(char) or (start >= 0 and unicodedata.category(char).startswith("M")):
            start, end = (index if start < 0 else start), index + 1
            last = next((one for one in (char, text[max(start, index - 1) : index]) if one != SOUND_MARK), last)


def _core(text: str, start: int, end: int) -> _Core:
    return _Core(start, end, (_spoken(text[start:end]),))


def _korean_cores(text: str) -> Iterator[_Core]:
    for token in TOKEN.finditer(text):
        spoken = (_spoken(part) for part in (token[0][:KOREAN_HEAD], token[0][KOREAN_HEAD:]))
        if units := tuple(part for part in spoken if part):
            read = [index for index in range(*token.span()) if _is_read(text[index])]
            yield _Core(read[0], read[-1] + 1, units)


def _cut(text: str, left_end: int, right_start: int) -> tuple[int, int]:
    """The end of the left word and the start of the right one, without the white space between them.

    Signs go with the word before, but with the one after if they open something, or touch that one alone.
    """
    between = text[left_end:right_start]
    spaces = [index for index, char in enumerate(between) if char.isspace()]
    opening = (
        index
        for index, char in enumerate(between)
        if is_opening(char) and (not spaces or (index and between[index - 1].isspace()))
    )
    begin = next(opening, spaces[-1] + 1 if spaces else len(between))
    return left_end + len(between[:begin].rstrip()), left_end + begin


def _spoken(written: str) -> str:
    """Letters and digits only, accents composed."""
    return "".join(filter(_is_read, unicodedata.normalize("NFC", _few_marks(written))))


def _few_marks(text: str) -> str:
    """`text` with at most `MAX_MARKS` marks on a character (stream-safe text): sorting them is quadratic."""
    chars: list[str] = []
    num_marks = 0
    for char in text:
        num_marks = num_marks + 1 if unicodedata.combining(char) else 0
        if num_marks <= MAX_MARKS:
            chars.append(char)
    return "".join(chars)


def _is_read(char: str) -> bool:
    return char == APOSTROPHE or unicodedata.category(char)[0] in "LN"


def _is_other_kana(last: str, char: str) -> bool:
    """Whether `char` ends a run of characters: it or the `last` one is hiragana, or katakana, and the other is not."""
    if not last or char == SOUND_MARK:
        return False
    return any(_within(last, kana) != _within(char, kana) for kana in (HIRAGANA, KATAKANA))


def _within(char: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    point = ord(char)
    return any(first <= point <= last for first, last in ranges)
