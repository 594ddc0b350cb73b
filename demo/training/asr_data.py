"""What the demo ASR hears in training: cached espeak-ng speech, and how clips are varied each time they are used."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo.training import corpus, speech

SAMPLE_RATE_HZ = 16000
WORD_LIST_SHARE = 0.18
SYNTHESIS_CHUNK = 500
CACHE = Path("build/training")

SILENCE_SHARE = 0.05
SEVERAL_SHARE = 0.12  # clips that hold two or three sentences
CONTEXT_SHARE = 0.2
FORCED_SHARE = 0.25
NOISE_SHARE = 0.7
MAX_EDGE_SILENCE_S = 0.5
SILENCE_S = (0.1, 6.0)
NOISE_LEVEL = (-4.5, -1.0)  # of clips without speech, as a power of ten
GAIN = (-1.5, 0.0)  # as a power of ten
AUDIBLE = 0.02  # of a sentence's peak: where it begins and ends
GAP_S = (0.2, 0.8)
SNR_DB = (10.0, 45.0)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Utterance:
    """One spoken sentence: int16 samples at 16 kHz."""

    samples: np.ndarray
    text: str


@dataclass(frozen=True)
class Span:
    """Where in a clip a sentence is heard, in samples."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Example:
    """One training clip: mono float32 samples at 16 kHz, what is said in it where, and the request around it."""

    samples: np.ndarray
    spans: tuple[Span, ...]
    context: str
    language_forced: bool

    @property
    def text(self) -> str:
        return " ".join(span.text for span in self.spans)


def training_sentence(rng: random.Random) -> corpus.Sentence:
    """A sentence, or now and then words in no order, so that words are learned apart from the grammar."""
    return corpus.word_list(rng) if rng.random() < WORD_LIST_SHARE else corpus.sentence(rng)


def number_sentence(rng: random.Random) -> corpus.Sentence:
    """A sentence with a string of digits, the hardest thing to hear here."""
    while "number is" not in (sentence := corpus.plain_sentence(rng)).text:
        pass
    return sentence


@dataclass(frozen=True)
class SpeechSet:
    """Training sentences and their espeak-ng speech, made on first use (a few minutes) and cached afterwards."""

    name: str
    count: int
    seed: int
    draw: Callable[[random.Random], corpus.Sentence]

    def texts(self) -> list[str]:
        drawn = corpus.sentences(self.count, seed=self.seed, held_out=False, draw=self.draw)
        return [sentence.text for sentence in drawn]

    def load(self) -> list[Utterance]:
        samples_path, ends_path = CACHE / f"asr_{self.name}.npy", CACHE / f"asr_{self.name}_ends.json"
        texts = self.texts()
        if not ends_path.exists():
            clips = _synthesise(texts, self.seed)
            np.save(samples_path, np.concatenate(clips))
            ends_path.write_text(json.dumps(np.cumsum([len(clip) for clip in clips]).tolist()))
        ends = json.loads(ends_path.read_text())
        clips = np.split(np.load(samples_path, mmap_mode="r"), ends[:-1])
        return [Utterance(clip, text) for clip, text in zip(clips, texts, strict=True)]


SENTENCES = SpeechSet("sentences", 20_000, 11, training_sentence)
NUMBERS = SpeechSet("numbers", 5_000, 12, number_sentence)


def load_resynthesised(name: str = "resynthesised") -> list[Utterance]:
    """Sentences as the demo TTS codec gives them back; `python -m demo.training.resynthesise` makes them."""
    with np.load(CACHE / f"{name}.npz") as file:
        texts, audio, offsets = file["texts"].tolist(), file["audio"], file["offsets"]
    return [Utterance(clip, text) for clip, text in zip(np.split(audio, offsets[1:-1]), texts, strict=True)]


def _synthesise(texts: Sequence[str], seed: int) -> list[np.ndarray]:
    rng = random.Random(seed)
    clips: list[np.ndarray] = []
    for start in range(0, len(texts), SYNTHESIS_CHUNK):
        chunk = list(texts[start : start + SYNTHESIS_CHUNK])
        voices = [speech.random_voice(rng) for _ in chunk]
        spoken = speech.speak_all(chunk, voices, sample_rate_hz=SAMPLE_RATE_HZ)
        clips += [(np.clip(clip, -1, 1) * 32767).astype(np.int16) for clip in spoken]
    return clips


def draw_utterances(rng: random.Random, *pools: tuple[Sequence[Utterance], float]) -> list[Utterance]:
    """What one clip will say: nothing (silence), a sentence, or several, each from a pool drawn by its share."""
    if rng.random() < SILENCE_SHARE:
        return []
    count = rng.randint(2, 3) if rng.random() < SEVERAL_SHARE else 1
    sources = rng.choices([pool for pool, _ in pools], [share for _, share in pools], k=count)
    return [rng.choice(source) for source in sources]


def make_example(utterances: Sequence[Utterance], rng: random.Random) -> Example:
    """A varied clip of `utterances` (none: silence or faint noise) with a random request around it."""
    noise = np.random.default_rng(rng.getrandbits(32))
    samples, spans = _speech_clip(utterances, rng, noise) if utterances else (_silent_clip(rng, noise), ())
    text = " ".join(utterance.text for utterance in utterances)
    context = _random_context(text, rng) if rng.random() < CONTEXT_SHARE else ""
    return Example(samples, spans, context, rng.random() < FORCED_SHARE)


def _silent_clip(rng: random.Random, noise: np.random.Generator) -> np.ndarray:
    length = int(rng.uniform(*SILENCE_S) * SAMPLE_RATE_HZ)
    level = 0.0 if rng.random() < 0.3 else 10 ** rng.uniform(*NOISE_LEVEL)
    return (noise.standard_normal(length) * level).astype(np.float32)


def _speech_clip(
    utterances: Sequence[Utterance], rng: random.Random, noise: np.random.Generator
) -> tuple[np.ndarray, tuple[Span, ...]]:
    silences_s = [rng.uniform(*GAP_S) for _ in utterances[1:]]
    silences_s = [rng.uniform(0, MAX_EDGE_SILENCE_S), *silences_s, rng.uniform(0, MAX_EDGE_SILENCE_S)]
    parts, spans, position = [], [], 0
    for utterance, silence_s in zip(utterances, silences_s[:-1], strict=True):
        silence = np.zeros(int(silence_s * SAMPLE_RATE_HZ), np.float32)
        parts += [silence, utterance.samples.astype(np.float32) / 32768]
        position += len(silence)
        loudness = np.abs(parts[-1])
        loud = np.flatnonzero(loudness >= AUDIBLE * loudness.max())
        spans.append(Span(utterance.text, position + int(loud[0]), position + int(loud[-1])))
        position += len(utterance.samples)
    parts.append(np.zeros(int(silences_s[-1] * SAMPLE_RATE_HZ), np.float32))
    clip = np.concatenate(parts) * 10 ** rng.uniform(*GAIN)
    if rng.random() < NOISE_SHARE:
        level = np.sqrt(np.mean(clip**2)) * 10 ** (-rng.uniform(*SNR_DB) / 20)
        clip = clip + noise.standard_normal(len(clip), dtype=np.float32) * level
    return clip.astype(np.float32), tuple(spans)


def _random_context(text: str, rng: random.Random) -> str:
    """Words of which few are spoken: context may help to spell, it must never be repeated."""
    words = [rng.choice(corpus.WORDS) for _ in range(rng.randint(1, 6))]
    words += ["".join(rng.choices(LETTERS, k=rng.randint(3, 8))) for _ in range(rng.randint(0, 3))]
    if text and rng.random() < 0.5:
        words.append(rng.choice(text.split()).strip(".,"))
    rng.shuffle(words)
    return rng.choice((" ", ", ")).join(words)
