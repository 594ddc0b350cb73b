"""Made-up English names: their spelling can only be guessed from their sound, so a context word must help.

A name is held out by its own hash; the sentences around it are of the kinds of `corpus`.
"""

import random

from demo.training import corpus
from demo.training.corpus import Sentence, written

ONSETS = (
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z",
    "ph", "th", "sh", "ch", "br", "cr", "kr", "dr", "gr", "tr", "pl", "bl", "st", "sk",
)  # fmt: skip
VOWELS = ("a", "e", "i", "o", "u", "ee", "ai", "ie", "oo", "ar", "or", "er")
MIDDLES = (
    "b",
    "c",
    "d",
    "f",
    "g",
    "k",
    "l",
    "ll",
    "m",
    "mm",
    "n",
    "nn",
    "p",
    "r",
    "rr",
    "s",
    "ss",
    "t",
    "tt",
    "v",
    "z",
)
ENDINGS = ("a", "o", "y", "ie", "en", "an", "in", "on", "er", "el", "is", "us", "ick", "ix", "ette", "ine", "ard")
LONGER_SHARE = 0.35


def name(rng: random.Random) -> str:
    """Two or three syllables, for example "Kremella" or "Phoris"."""
    parts = [rng.choice(ONSETS), rng.choice(VOWELS), rng.choice(MIDDLES)]
    if rng.random() < LONGER_SHARE:
        parts += [rng.choice(VOWELS), rng.choice(MIDDLES)]
    return "".join((*parts, rng.choice(ENDINGS))).replace("rrr", "rr").capitalize()


def names(count: int, *, seed: int, held_out: bool) -> list[str]:
    """Distinct names of one side of the split."""
    rng = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        drawn = name(rng)
        if Sentence(drawn, drawn).held_out == held_out:
            found[drawn] = None
    return list(found)


def _when(rng: random.Random) -> str:
    return rng.choice((f"on {rng.choice(corpus.DAYS)}", "today", "tomorrow"))


def sentence(rng: random.Random) -> Sentence:
    """A sentence that names somebody; its `key` is the name."""
    drawn = name(rng)
    words = rng.choice(
        (
            f"please call {drawn} {_when(rng)}",
            f"send {rng.choice(corpus.THINGS)} to {drawn} {_when(rng)}",
            f"the task is done by {drawn} {_when(rng)}",
            f"{rng.choice(corpus.GREETINGS)} {drawn}",
            f"{drawn}, {rng.choice(corpus.VERBS)} {rng.choice(corpus.SCENES).phrase()}",
        )
    )
    return Sentence(written(words), drawn)
