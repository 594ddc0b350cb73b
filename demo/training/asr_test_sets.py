"""What the demo recogniser is measured on: sentences that no training saw, spoken by espeak-ng in random voices."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from demo.training import corpus, corpus_chinese, corpus_free, corpus_names, speech
from demo.training.asr_data import CHINESE, ENGLISH, SAMPLE_RATE_HZ, english_voice, load_resynthesised, mandarin_voice
from demo.training.conditions import Condition, heard
from demo.training.corpus import Sentence

SEED = 7
SEVERAL = (2, 6)  # sentences in one clip
SEVERAL_S = 28.0
GAP_S = (0.1, 1.5)
NUM_OTHER_NAMES = 4
SILENCE_DURATIONS_S = (0.5, 2.0, 5.0)
SILENCE_LEVELS = (0.0, 0.0003)
DRAWS = {ENGLISH: corpus.sentence, CHINESE: corpus_chinese.sentence}
FREE_DRAWS = {ENGLISH: corpus_free.sentence, CHINESE: corpus_free.chinese_sentence}
VOICES = {ENGLISH: english_voice, CHINESE: mandarin_voice}


@dataclass(frozen=True)
class Said:
    """A clip (float32, 16 kHz), what is said in it, and whom it names."""

    samples: np.ndarray
    text: str
    language: str
    name: str = ""


def sentences(language: str, count: int, draw: Callable[[random.Random], Sentence] | None = None) -> list[Said]:
    """Held-out sentences in clean speech."""
    drawn = corpus.sentences(count, seed=SEED, held_out=True, draw=draw or DRAWS[language])
    rng = random.Random(SEED)
    voices = [VOICES[language](rng) for _ in drawn]
    clips = speech.speak_all([sentence.text for sentence in drawn], voices, sample_rate_hz=SAMPLE_RATE_HZ)
    return [
        Said(clip, sentence.text, language, corpus_names.name_in(sentence.text))
        for clip, sentence in zip(clips, drawn, strict=True)
    ]


def several(said: Sequence[Said], count: int) -> list[Said]:
    """`count` clips of two to six of `said` with pauses between them, of at most SEVERAL_S."""
    rng = random.Random(SEED)
    return [_joined(rng.sample(said, rng.randint(*SEVERAL)), rng) for _ in range(count)]


def _joined(said: Sequence[Said], rng: random.Random) -> Said:
    samples, texts = said[0].samples, [said[0].text]
    for one in said[1:]:
        pause = np.zeros(int(rng.uniform(*GAP_S) * SAMPLE_RATE_HZ), np.float32)
        longer = np.concatenate([samples, pause, one.samples])
        if len(longer) > SEVERAL_S * SAMPLE_RATE_HZ:
            break
        samples, texts = longer, [*texts, one.text]
    return Said(samples, ("" if said[0].language == CHINESE else " ").join(texts), said[0].language)


def free(language: str, count: int) -> list[Said]:
    """Held-out sentences in free order."""
    return sentences(language, count, FREE_DRAWS[language])


def naming(count: int) -> list[Said]:
    """English sentences around names of which two sound alike, half of them in the rarer spelling."""
    return sentences(ENGLISH, count, corpus_names.sentence)


def contexts(said: Sequence[Said], *, right: bool) -> list[str]:
    """For each of `said` a list of NUM_OTHER_NAMES names that sound otherwise, with its own among them or without."""
    rng = random.Random(SEED)
    found = []
    for one in said:
        listed = corpus_names.other_names(one.name, NUM_OTHER_NAMES, rng) + [one.name] * right
        rng.shuffle(listed)
        found.append(", ".join(listed))
    return found


def resynthesised(language: str) -> list[Said]:
    """Held-out sentences as the demo TTS codec gives them back, from `resynthesise_held_out`."""
    return [
        Said(utterance.samples.astype(np.float32) / 32768, utterance.text, language)
        for utterance in load_resynthesised("resynthesised_held_out")
        if utterance.language == language
    ]


def silences() -> list[np.ndarray]:
    """Zeros and very low noise."""
    noise = np.random.default_rng(SEED)
    return [
        (noise.standard_normal(int(duration_s * SAMPLE_RATE_HZ)) * level).astype(np.float32)
        for duration_s in SILENCE_DURATIONS_S
        for level in SILENCE_LEVELS
    ]


def through(said: Sequence[Said], condition: Condition) -> list[Said]:
    """`said` under an acoustic condition."""
    rng = np.random.default_rng(SEED)
    return [replace(one, samples=heard(one.samples, condition, rng)) for one in said]
