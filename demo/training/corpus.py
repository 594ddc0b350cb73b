"""The closed English vocabulary of the demo checkpoints: what they can hear, say and draw.

Training and evaluation never meet: a sentence (or, when it names a scene, its scene) belongs to the
held-out tenth or to the training nine tenths by a hash of its words, whatever seed drew it.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COLOURS = {  # name -> RGB, as drawn
    "red": (220, 40, 40),
    "green": (40, 170, 70),
    "blue": (40, 80, 220),
    "yellow": (245, 220, 50),
    "white": (245, 245, 245),
    "black": (20, 20, 20),
    "orange": (250, 140, 30),
    "purple": (140, 50, 170),
}
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
SIZES = ("small", "large")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
GREETINGS = ("hello", "good morning", "good evening", "thank you")
ADDRESSEES = ("everyone", "the team", *NAMES)
THINGS = ("the plan", "the budget", "the design", "the date", "the report", "the price", "the picture")
VERBS = ("draw", "paint", "show me")
NUM_PARTS = 10  # one part in ten is held out


@dataclass(frozen=True)
class Scene:
    """A shape on a background; `size` and `background` may be left open (None)."""

    colour: str
    shape: str
    size: str | None = None
    background: str | None = None

    def phrase(self) -> str:
        """For example "a small red circle on a blue background"."""
        words = [word for word in (self.size, self.colour, self.shape) if word]
        article = "an" if words[0][0] in "aeiou" else "a"
        where = ""
        if self.background:
            where = f" on {'an' if self.background[0] in 'aeiou' else 'a'} {self.background} background"
        return f"{article} {' '.join(words)}{where}"


@dataclass(frozen=True)
class Sentence:
    """A sentence as written and spoken; `key` decides the side of the split, `scene` is what it names."""

    text: str
    key: str
    scene: Scene | None = None

    @property
    def held_out(self) -> bool:
        return int(hashlib.sha256(self.key.encode()).hexdigest(), 16) % NUM_PARTS == 0


def all_scenes() -> Iterator[Scene]:
    """Every scene of the vocabulary; the background never has the colour of the shape."""
    for colour in COLOURS:
        for shape in SHAPES:
            for size in (None, *SIZES):
                for background in (None, *COLOURS):
                    if background != colour:
                        yield Scene(colour, shape, size, background)


SCENES = tuple(all_scenes())


def written(words: str) -> str:
    """Sentence case with a full stop."""
    return words[0].upper() + words[1:] + "."


WORDS = tuple(
    dict.fromkeys(
        word
        for phrase in (*COLOURS, *SHAPES, *SIZES, *NUMBERS, *NAMES, *DAYS, *GREETINGS, *ADDRESSEES, *THINGS, *VERBS)
        for word in phrase.split()
    )
)


def word_list(rng: random.Random) -> Sentence:
    """Three to seven words in no order: teaches words apart from the grammar. For training only."""
    words = " ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 7)))
    return Sentence(written(words), words)


def scene_sentence(rng: random.Random) -> Sentence:
    """A request for a picture, or a bare description of one."""
    scene = rng.choice(SCENES)
    verb = rng.choice(("", *VERBS))
    please = "please " if verb and rng.random() < 0.5 else ""
    words = f"{please}{verb} {scene.phrase()}".strip()
    return Sentence(written(words), scene.phrase(), scene)


def _when(rng: random.Random) -> str:
    return rng.choice((f"on {rng.choice(DAYS)}", "today", "tomorrow"))


def _time(rng: random.Random) -> str:
    return f"at {rng.choice(NUMBERS[1:])} o'clock"


def _meeting(rng: random.Random) -> str:
    return f"the meeting starts {_time(rng)} {_when(rng)}"


def _call(rng: random.Random) -> str:
    return f"please call {rng.choice(ADDRESSEES)} {rng.choice((_when(rng), f'{_time(rng)} {_when(rng)}'))}"


def _agreed(rng: random.Random) -> str:
    return f"we agreed on {rng.choice(THINGS)} and {rng.choice(THINGS)}"


def _task(rng: random.Random) -> str:
    return f"the task is done by {rng.choice(NAMES)} {_when(rng)}"


def _next(rng: random.Random) -> str:
    return f"next step is {rng.choice(THINGS)} {_when(rng)}"


def _send(rng: random.Random) -> str:
    return f"send {rng.choice(THINGS)} to {rng.choice(ADDRESSEES)} {_when(rng)}"


def _digits(rng: random.Random) -> str:
    return "the number is " + " ".join(rng.choice(NUMBERS) for _ in range(rng.randint(1, 5)))


def _greeting(rng: random.Random) -> str:
    return f"{rng.choice(GREETINGS)} {rng.choice(ADDRESSEES)}"


STATEMENTS: tuple[Callable[[random.Random], str], ...] = (
    _meeting, _call, _agreed, _task, _next, _send, _digits, _greeting,
)  # fmt: skip


def plain_sentence(rng: random.Random) -> Sentence:
    """An everyday sentence; one in five opens with a greeting, one in six says two things."""
    words = rng.choice(STATEMENTS)(rng)
    if rng.random() < 0.17:
        words += f" and {rng.choice(STATEMENTS)(rng)}"
    if rng.random() < 0.2:
        words = f"{rng.choice(GREETINGS)}, {words}"
    return Sentence(written(words), words)


def sentence(rng: random.Random) -> Sentence:
    """A scene in four of ten cases, an everyday sentence otherwise."""
    return scene_sentence(rng) if rng.random() < 0.4 else plain_sentence(rng)


def sentences(
    count: int, *, seed: int, held_out: bool, draw: Callable[[random.Random], Sentence] = sentence
) -> list[Sentence]:
    """`count` sentences of one side of the split, distinct where they are held out."""
    rng = random.Random(seed)
    found: list[Sentence] = []
    seen: set[str] = set()
    while len(found) < count:
        drawn = draw(rng)
        if drawn.held_out != held_out or (held_out and drawn.text in seen):
            continue
        seen.add(drawn.text)
        found.append(drawn)
    return found
