"""Texts that callers may send to make work: whatever a text is made of, the time it takes grows as its length does."""

import random
import time
from collections.abc import Callable

Make = Callable[[int], str]
FACTOR = 4
MOST_GROWTH = 8.0  # in proportion it would be 4, by the square 16
FLOOR_S = 0.03  # what takes less than this is not worth measuring
NUM_TRIES = 3


def _repeated(unit: str) -> Make:
    return lambda size: (unit * (size // len(unit) + 1))[:size]


def _random(size: int) -> str:
    rng = random.Random(size)
    return "".join(rng.choice("ab .,!?。、天 \n'\"()1") for _ in range(size))


TEXTS: dict[str, Make] = {
    "words": _repeated("word "),
    "abbreviations": _repeated("Dr. Mr. "),
    "sentences": _repeated("Good day to you. "),
    "signs": _repeated("!?…。.,;"),
    "closing quotes": lambda size: "a!" + "”)" * (size // 2),
    "closing brackets": lambda size: "ab." + ")" * size + " b",
    "opening brackets": lambda size: "(" * size + "a",
    "Chinese": _repeated("天"),
    "Chinese sentences": _repeated("今天天气很好。"),
    "katakana": _repeated("ア"),
    "one long sound": lambda size: "ア" + "ー" * size,
    "one word": _repeated("a"),
    "one number": _repeated("1"),
    "spaces": _repeated(" "),
    "spaces between": lambda size: "It is." + " " * size + "b",
    "line breaks": _repeated("\n"),
    "short lines": _repeated("a\n"),
    "numbered": _repeated("1. "),
    "clauses": _repeated("a, "),
    "accents": lambda size: "a" + "\u0316\u0301" * (size // 2),
    "emoji": _repeated("🙂"),
    "separators": _repeated("a and, "),
    "references": _repeated("${a.b}"),
    "open references": _repeated("${a.b"),
    "anything": _random,
}


def assert_linear(work: Callable[[str], object], make: Make, size: int) -> None:
    """`work` on four times the text takes less than eight times as long."""
    small, large = make(size), make(FACTOR * size)
    for _ in range(NUM_TRIES):  # others use the machine, too
        large_s = _took_s(work, large)
        if large_s < FLOOR_S or large_s < MOST_GROWTH * (small_s := _took_s(work, small)):
            return
    raise AssertionError(f"{len(small)} characters took {small_s:.3f} s, {len(large)} took {large_s:.3f} s")


def _took_s(work: Callable[[str], object], text: str) -> float:
    begun_s = time.thread_time()
    work(text)
    return time.thread_time() - begun_s
