"""English names that sound alike: only a context can tell which spelling is meant.

The first spelling of a pair is the usual one, which is written where no context says otherwise. A sentence is held out
in both spellings or in neither.
"""

import random
import re

from demo.training import corpus
from demo.training.corpus import Sentence, written

PAIRS = (  # alike in all five English accents of espeak-ng 1.51
    ("Eric", "Erik"), ("John", "Jon"), ("Catherine", "Katherine"), ("Steven", "Stephen"), ("Anne", "Ann"),
    ("Mark", "Marc"), ("Carl", "Karl"), ("Philip", "Phillip"), ("Alan", "Allen"), ("Brian", "Bryan"),
    ("Claire", "Clare"), ("Neil", "Neal"), ("Jeffrey", "Geoffrey"), ("Hannah", "Hanna"), ("Tracy", "Tracey"),
    ("Sean", "Shawn"), ("Christina", "Cristina"), ("Vivian", "Vivien"), ("Molly", "Mollie"), ("Leslie", "Lesley"),
    ("Karen", "Caren"), ("Rebecca", "Rebeca"), ("Stewart", "Stuart"), ("Zoe", "Zoey"),
)  # fmt: skip
USUAL = {spelling: usual for usual, other in PAIRS for spelling in (usual, other)}
NAMES = tuple(USUAL)
_NAME = re.compile(r"\b(" + "|".join(NAMES) + r")\b")


def names_in(text: str) -> list[re.Match[str]]:
    """Where names of NAMES stand in `text`."""
    return list(_NAME.finditer(text))


def name_in(text: str) -> str:
    """The first name of NAMES in `text`, if any."""
    return next((found[0] for found in names_in(text)), "")


def other_names(name: str, count: int, rng: random.Random) -> list[str]:
    """`count` names that do not sound like `name`."""
    return rng.sample([other for other in NAMES if USUAL[other] != USUAL[name]], count)


def _when(rng: random.Random) -> str:
    return rng.choice((f"on {rng.choice(corpus.DAYS)}", "today", "tomorrow"))


def sentence(rng: random.Random) -> Sentence:
    """A sentence that names somebody; its `key` has the usual spelling."""
    name = rng.choice(NAMES)
    pattern = rng.choice(
        (
            f"please call {{}} {_when(rng)}",
            f"send {rng.choice(corpus.THINGS)} to {{}} {_when(rng)}",
            f"the task is done by {{}} {_when(rng)}",
            f"{rng.choice(corpus.GREETINGS)} {{}}",
            f"{{}}, {rng.choice(corpus.VERBS)} {rng.choice(corpus.SCENES).phrase()}",
        )
    )
    return Sentence(written(pattern.format(name)), pattern.format(USUAL[name]))
