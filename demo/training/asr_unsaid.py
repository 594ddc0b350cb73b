"""Names and numbers that were heard and not said: the mistakes that mislead whoever reads a transcription."""

import re
from collections import Counter

from demo.training import corpus, corpus_chinese, corpus_names

_ENGLISH_WORD = re.compile(r"[a-z']+")
# The longest word first: the digit of a weekday or of "一个" is no number, the "本" of no other word is a name.
_CHINESE_WORD = re.compile("|".join(sorted(corpus_chinese.WORDS, key=len, reverse=True)))
_MISLEADING = {
    *(word.lower() for word in (*corpus.NAMES, *corpus_names.NAMES, *corpus.NUMBERS)),
    *corpus_chinese.NAMES,
    *corpus_chinese.NUMBERS,
    *corpus_chinese.HOURS,
}


def names_and_numbers(text: str) -> Counter[str]:
    """How often which name or number of either language is in `text`."""
    words = [*_ENGLISH_WORD.findall(text.lower()), *_CHINESE_WORD.findall(text)]
    return Counter(word for word in words if word in _MISLEADING)


def unsaid(said: str, heard: str) -> Counter[str]:
    """The names and numbers of `heard` that `said` has not, or not as often."""
    return names_and_numbers(heard) - names_and_numbers(said)
