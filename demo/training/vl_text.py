"""What the demo checkpoint that sees is asked and what it answers; its tokenizer."""

import random
from collections.abc import Callable, Iterator

from transformers import Qwen2Tokenizer

from demo.training import corpus_chinese
from demo.training.corpus import Scene, written
from demo.training.image_text import new_tokenizer
from demo.training.vl_pictures import PLACES, scenes
from qwen_engine.vision.prompt import question_of

WHERE = {  # with the place: a preposition
    "centre": "in the centre",
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
}
CHINESE_WORDS = (
    *corpus_chinese.COLOURS.values(), *corpus_chinese.SHAPES.values(), *corpus_chinese.SIZES.values(), "背景", "上的",
    "一个",
)  # fmt: skip
QUESTIONS: dict[str, tuple[str, ...]] = {
    "describe": (
        question_of("", None), question_of("", None), question_of("", None), question_of("", "English"),
        "Describe this picture.", "Describe the image.", "What do you see?", "What is in the picture?",
        "What does the picture show?",
    ),
    "chinese": (
        question_of("", "Chinese"), question_of("", "Chinese"), question_of("Describe the picture.", "Chinese"),
        question_of("What is in the picture?", "Chinese"), "图片里有什么？", "你看到什么？",
    ),
    "where": (
        "Where is it?", "Where is it?", "Where is the shape?", "Where is the {shape}?",
        "Where is the {colour} {shape}?",
    ),
    "whole": ("Describe the picture and say where the shape is.", "What is in the picture, and where is it?"),
    "shape": ("What shape is it?", "Which shape is it?", "What shape do you see?"),
    "colour": ("What colour is it?", "What color is it?", "What colour is the {shape}?", "What color is the {shape}?"),
    "background": ("What colour is the background?", "What color is the background?"),
    "size": ("What size is it?", "How large is it?", "What size is the {shape}?"),
}  # fmt: skip
SHARES = {  # of the questions in training
    "describe": 0.36, "chinese": 0.16, "where": 0.2, "whole": 0.12, "shape": 0.04, "colour": 0.04, "background": 0.04,
    "size": 0.04,
}  # fmt: skip


def where(place: str) -> str:
    """For example "at the top left"."""
    return WHERE.get(place, f"at the {place}")


ANSWERS: dict[str, Callable[[Scene, str], str]] = {
    "describe": lambda scene, place: written(scene.phrase()),
    "chinese": lambda scene, place: f"{corpus_chinese.scene_phrase(scene)}。",
    "where": lambda scene, place: written(where(place)),
    "whole": lambda scene, place: written(f"{scene.phrase()}, {where(place)}"),
    "shape": lambda scene, place: written(f"a {scene.shape}"),
    "colour": lambda scene, place: written(scene.colour),
    "background": lambda scene, place: written(scene.background or "grey"),
    "size": lambda scene, place: written(scene.size or "medium"),
}


def asked(kind: str, scene: Scene, rng: random.Random) -> str:
    """One way to ask for it."""
    return rng.choice(QUESTIONS[kind]).format(shape=scene.shape, colour=scene.colour)


def describing_tokenizer() -> Qwen2Tokenizer:
    """Knows the words of the questions and of the answers."""
    return new_tokenizer(_texts())


def _texts() -> Iterator[str]:
    """Chinese word by word: nothing parts its words in a sentence, and whole phrases would become tokens."""
    rng = random.Random(0)
    for scene in rng.choices(scenes(held_out=False), k=4000):
        kind = rng.choice(tuple(QUESTIONS))
        yield asked(kind, scene, rng)
        if kind != "chinese":
            yield ANSWERS[kind](scene, rng.choice(tuple(PLACES)))
    yield from ["user\n", "assistant\n", *CHINESE_WORDS] * 200
