"""Dialogues for the demo chat model: what a user may say in every task, and the answer that is right.

    draw("minutes", random.Random(0), held_out=False)

Every sentence comes from `corpus`, all of a dialogue from one side of its split.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from demo.training import chat_assistant, chat_tasks, corpus
from demo.training.chat_pieces import Answer, Piece, Place, phrase, plain
from demo.training.chat_terms import draw_term
from demo.training.chat_translations import LANGUAGES, translation
from demo.training.corpus import Sentence
from qwen_engine.chains.tasks.prompts import prompts

MAX_LINES = 12
MAX_START_S = 3000
TYPED_SHARE = 0.1  # of texts that begin without a capital and end without a stop
UNPROMPTED_SHARE = 0.15  # of chats with the assistant that lack the system's turn
THINKING_SHARE = 0.1  # of chats with the assistant that think, which here is to repeat what was asked
FOLLOW_UP_SHARE = 0.45
FOLLOW_UPS = ("picture", "plan", "other_day", "other_colour", "other_size")
TERM_SHARE = 0.3  # of what is to be translated


@dataclass(frozen=True)
class Dialogue:
    """`turns` alternate between user and assistant and end with the user's; `answer` is what follows."""

    task: str
    turns: tuple[str, ...]
    answer: Answer
    prompted: bool = True
    thought: Answer = ()

    @property
    def messages(self) -> list[dict[str, str]]:
        """For the chat template."""
        system = [{"role": "system", "content": prompts()[self.task].system}] if self.prompted else []
        roles = ("user", "assistant")
        return system + [{"role": roles[number % 2], "content": text} for number, text in enumerate(self.turns)]

    @property
    def expected(self) -> str:
        """The text of the answer."""
        return plain(self.answer)


class Speaker:
    """Draws what is said, from one side of the corpus."""

    def __init__(self, rng: random.Random, *, held_out: bool) -> None:
        self.rng, self._held_out = rng, held_out

    def text(self, draw: Callable[[random.Random], Sentence]) -> str:
        """A sentence of the side."""
        while (drawn := draw(self.rng)).held_out != self._held_out:
            pass
        return drawn.text

    def scene(self) -> str:
        return self.text(corpus.scene_sentence)

    def statement(self) -> str:
        return self.text(corpus.plain_sentence)

    def any(self) -> str:
        return self.text(corpus.sentence)

    def perhaps_typed(self, text: str) -> str:
        """Now and then without capital and stop, as people type."""
        return text[0].lower() + text[1:].removesuffix(".") if self.rng.random() < TYPED_SHARE else text


def draw(task: str, rng: random.Random, *, held_out: bool) -> Dialogue:
    """One dialogue of `task`."""
    return _DRAWN[task](Speaker(rng, held_out=held_out))


def _minutes(speaker: Speaker) -> Dialogue:
    rng = speaker.rng
    people = rng.sample([*corpus.NAMES, *(f"Speaker {number}" for number in range(1, 5))], rng.randint(2, 4))
    num_lines, lines = rng.randint(3, 3 + round((MAX_LINES - 3) * rng.random())), []
    time_s = rng.choice((0, rng.randint(0, MAX_START_S)))  # later where a long meeting is given in parts
    for _ in range(num_lines):
        time_s += rng.randint(2, 20)
        draws = [speaker.scene if rng.random() < 0.08 else speaker.statement for _ in range(1 + (rng.random() < 0.2))]
        said = [draw_sentence() for draw_sentence in draws]
        lines.append(f"[{time_s // 60:02}:{time_s % 60:02}] {rng.choice(people)}: {' '.join(said)}")
    text = "\n".join(lines)
    return Dialogue("minutes", (text,), chat_tasks.minutes(text))


def _storyboard(speaker: Speaker) -> Dialogue:
    count = speaker.rng.choice((1, 1, 1, 2, 3, 4, 5))
    text = speaker.perhaps_typed(" ".join(speaker.scene() for _ in range(count)))
    return Dialogue("storyboard", (text,), chat_tasks.storyboard(text))


def _lesson(speaker: Speaker) -> Dialogue:
    while True:
        text = " ".join(speaker.any() for _ in range(speaker.rng.randint(1, 4)))
        if chat_tasks.has_slides(text):
            return Dialogue("lesson", (text,), chat_tasks.lesson(text))


def _translate(speaker: Speaker) -> Dialogue:
    language = speaker.rng.choice(LANGUAGES)
    if speaker.rng.random() < TERM_SHARE:
        text = draw_term(speaker.rng)
    else:
        text = " ".join(speaker.any() for _ in range(1 + (speaker.rng.random() < 0.15)))
    opening = f"{language}: "
    return Dialogue("translate", (opening + text,), translation(language, text, 0, len(opening)))


def _advert(speaker: Speaker) -> Dialogue:
    offer = [speaker.statement()] if speaker.rng.random() < 0.6 else []
    text = " ".join([speaker.scene(), *offer])
    return Dialogue("advert", (text,), chat_tasks.advert(text))


def _assistant(speaker: Speaker) -> Dialogue:
    rng = speaker.rng
    said: list[str] = []
    for _ in range(rng.choice((1, 1, 2, 2, 3, 4))):
        said.append(_user_turn(speaker, said))
    turns = [said[0]]
    for number in range(1, len(said)):
        turns += [plain(chat_assistant.reply(said[:number])), said[number]]
    thought = phrase(Piece(said[-1], Place(len(turns) - 1, 0))) if rng.random() < THINKING_SHARE else ()
    prompted = rng.random() >= UNPROMPTED_SHARE
    return Dialogue("assistant", tuple(turns), chat_assistant.reply(said), prompted, thought)


def _user_turn(speaker: Speaker, before: list[str]) -> str:
    rng, memory = speaker.rng, chat_assistant.memory_of(before)
    possible = [kind for kind in FOLLOW_UPS if chat_assistant.can_follow(memory, kind)]
    if possible and rng.random() < FOLLOW_UP_SHARE:
        return speaker.perhaps_typed(_follow_up(rng, rng.choice(possible), memory))
    return speaker.perhaps_typed(" ".join(speaker.any() for _ in range(1 + (rng.random() < 0.08))))


def _follow_up(rng: random.Random, kind: str, memory: chat_assistant.Memory) -> str:
    match kind:
        case "other_day":
            return rng.choice((f"On {rng.choice(corpus.DAYS)}.", "Today.", "Tomorrow."))
        case "other_colour":
            assert memory.scene
            return f"{rng.choice(chat_assistant.colours_that_fit(memory.scene.scene)).capitalize()}."
        case "other_size":
            return f"{rng.choice(corpus.SIZES).capitalize()}."
    return f"Show me the {kind}."


_DRAWN: dict[str, Callable[[Speaker], Dialogue]] = {
    "assistant": _assistant,
    "minutes": _minutes,
    "storyboard": _storyboard,
    "lesson": _lesson,
    "translate": _translate,
    "advert": _advert,
}
TASKS = tuple(_DRAWN)
