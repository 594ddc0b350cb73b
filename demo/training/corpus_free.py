"""Free order, in English and Mandarin: the vocabulary put together otherwise than in `corpus` and `corpus_chinese`.

Three kinds: digits alone, words in random order, phrases without the rest of their sentence. A sentence is held out by
its scene if it has one, by its words otherwise.
"""

import random
from collections.abc import Callable

from demo.training import corpus, corpus_chinese
from demo.training.corpus import SCENES, Scene, Sentence, written

NUM_DIGITS = (1, 8)
NUM_WORDS = (2, 10)
NUM_PHRASES = (1, 4)
SCENE_SHARE = 0.25  # of the sentences of phrases
KIND_SHARES = (0.25, 0.4, 0.35)  # digits, words, phrases
# "a", "an" and "to" are left to the phrases: between other words they sound like a part of these, or like "two".
GRAMMAR = (
    "agreed", "and", "at", "background", "by", "call", "done", "is", "meeting", "next", "number", "o'clock", "on",
    "please", "send", "starts", "step", "task", "today", "tomorrow", "we",
)  # fmt: skip
WORDS = (*corpus.WORDS, *GRAMMAR)
HOMOPHONES = ("十", "是")
NUM_WORDS_BETWEEN = (1, 6)
CHINESE_WORDS = tuple(dict.fromkeys(corpus_chinese.WORDS[:-2]))  # without punctuation

Phrase = Callable[[random.Random], str]


def _phrase(pattern: str, *choices: tuple[str, ...]) -> Phrase:
    """`pattern` with one of each of `choices` in it."""
    return lambda rng: pattern.format(*(rng.choice(words) for words in choices))


PHRASES: tuple[Phrase, ...] = (
    _phrase("{}", corpus.THINGS),
    _phrase("{} and {}", corpus.THINGS, corpus.THINGS),
    _phrase("send {}", corpus.THINGS),
    _phrase("to {}", corpus.ADDRESSEES),
    _phrase("by {}", corpus.NAMES),
    _phrase("call {}", corpus.ADDRESSEES),
    _phrase("please call {}", corpus.ADDRESSEES),
    _phrase("{} {}", corpus.GREETINGS, corpus.ADDRESSEES),
    _phrase("{}", (*corpus.GREETINGS, *corpus.ADDRESSEES)),
    _phrase("on {}", corpus.DAYS),
    _phrase("{}", ("today", "tomorrow")),
    _phrase("at {} o'clock", corpus.NUMBERS[1:]),
    _phrase("{}", ("the meeting", "the meeting starts", "the task", "the task is done", "next step", "the next step")),
    _phrase("we agreed on {}", corpus.THINGS),
    _phrase("{} {}", corpus.VERBS, corpus.THINGS),
    _phrase("{} {}", ("the number is", "number"), corpus.NUMBERS),
    _phrase("the {} {}", corpus.SIZES, corpus.SHAPES),
    _phrase("on the {} background", tuple(corpus.COLOURS)),
)
CHINESE_PHRASES: tuple[Phrase, ...] = (
    _phrase("{}", corpus_chinese.THINGS),
    _phrase("{}和{}", corpus_chinese.THINGS, corpus_chinese.THINGS),
    _phrase("把{}", corpus_chinese.THINGS),
    _phrase("发给{}", corpus_chinese.ADDRESSEES),
    _phrase("由{}", corpus_chinese.NAMES),
    _phrase("打电话给{}", corpus_chinese.ADDRESSEES),
    _phrase("{}{}", corpus_chinese.GREETINGS, corpus_chinese.ADDRESSEES),
    _phrase("{}", (*corpus_chinese.GREETINGS, *corpus_chinese.ADDRESSEES)),
    _phrase("{}", (*corpus_chinese.DAYS, "今天", "明天")),
    _phrase("{}点", corpus_chinese.HOURS),
    _phrase("{}", ("会议", "会议开始", "任务", "任务完成", "下一步", "下一步是")),
    _phrase("我们商定了{}", corpus_chinese.THINGS),
    _phrase("{}{}", ("请", *corpus_chinese.VERBS), corpus_chinese.THINGS),
    _phrase("{}{}", ("号码是", "号码"), corpus_chinese.NUMBERS),
    _phrase("{}{}", tuple(corpus_chinese.SIZES.values()), tuple(corpus_chinese.SHAPES.values())),
    _phrase("{}背景", tuple(corpus_chinese.COLOURS.values())),
)


def sentence(rng: random.Random) -> Sentence:
    """English of any of the three kinds."""
    return _sentence(rng, WORDS, corpus.NUMBERS, PHRASES, Scene.phrase, " ")


def chinese_sentence(rng: random.Random) -> Sentence:
    """`sentence` in Mandarin."""
    return _sentence(rng, CHINESE_WORDS, corpus_chinese.NUMBERS, CHINESE_PHRASES, corpus_chinese.scene_phrase, "")


def homophone_sentence(rng: random.Random) -> Sentence:
    """`chinese_sentence` with HOMOPHONES, which differ in their tone alone, at any place between its words."""
    words = rng.sample([word for word in CHINESE_WORDS if word not in HOMOPHONES], rng.randint(*NUM_WORDS_BETWEEN))
    for _ in range(rng.choice((1, 1, 2))):
        words.insert(rng.randint(0, len(words)), rng.choice(HOMOPHONES))
    text = "".join(words)
    return Sentence(f"{text}。", text)


def _sentence(
    rng: random.Random,
    words: tuple[str, ...],
    numbers: tuple[str, ...],
    phrases: tuple[Phrase, ...],
    scene_phrase: Callable[[Scene], str],
    separator: str,
) -> Sentence:
    kind = rng.choices(("digits", "words", "phrases"), KIND_SHARES)[0]
    scene = rng.choice(SCENES) if kind == "phrases" and rng.random() < SCENE_SHARE else None
    if kind == "digits":
        parts = rng.choices(numbers, k=rng.randint(*NUM_DIGITS))
    elif kind == "words":
        parts = rng.sample(words, rng.randint(*NUM_WORDS))
    else:
        parts = [phrase(rng) for phrase in rng.sample(phrases, rng.randint(*NUM_PHRASES))]
    if scene:
        parts[rng.randrange(len(parts))] = scene_phrase(scene)
    text = separator.join(parts)
    return Sentence(f"{text}。" if separator == "" else written(text), scene.phrase() if scene else text, scene)
