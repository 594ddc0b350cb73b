"""Speech as live captions hear it: people who say several sentences, with pauses, in a room that is not silent."""

import random

import numpy as np

from demo.training import corpus, corpus_chinese
from demo.training.speech import Voice, random_voice, speak_all

SAMPLE_RATE_HZ = 16000
NOISE = 0.001  # -60 dBFS


def monologues(count: int, seed: int) -> list[np.ndarray]:
    """`count` recordings of two to four sentences each, every third one in Mandarin."""
    rng = random.Random(seed)
    return [_monologue(rng, is_english=index % 3 != 2) for index in range(count)]


def _monologue(rng: random.Random, *, is_english: bool) -> np.ndarray:
    draw = corpus.sentence if is_english else corpus_chinese.sentence
    sentences = corpus.sentences(rng.randint(2, 4), seed=rng.randrange(1 << 30), held_out=True, draw=draw)
    voice = random_voice(rng) if is_english else Voice("cmn")
    spoken = speak_all([one.text for one in sentences], [voice] * len(sentences), sample_rate_hz=SAMPLE_RATE_HZ)
    parts = [part for speech in spoken for part in (speech, _pause(rng))]
    speech = np.concatenate([_pause(rng), *parts]) * np.float32(rng.uniform(0.2, 1.0))
    return speech + np.random.default_rng(rng.randrange(1 << 30)).normal(0, NOISE, len(speech)).astype(np.float32)


def _pause(rng: random.Random) -> np.ndarray:
    return np.zeros(int(rng.uniform(0.5, 1.5) * SAMPLE_RATE_HZ), np.float32)
