"""The speech that the demo recogniser and the demo aligner are trained on: espeak-ng's, cached, with its word times."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo.training import corpus, corpus_chinese, corpus_free, corpus_names, speech
from demo.training.corpus import Sentence
from demo.training.espeak_library import espeak
from demo.training.speech import Voice

SAMPLE_RATE_HZ = 16000
WORD_LIST_SHARE = 0.18
CACHE = Path("build/training")
MANDARIN_SPEED_WPM = (140, 220)
ENGLISH, CHINESE = "English", "Chinese"


@dataclass(frozen=True)
class Utterance:
    """One spoken sentence: int16 samples at 16 kHz; `name` is what only a context can spell.

    `word_starts`: (index of the first letter, time in s) of each word, each character in Chinese; empty if not known.
    """

    samples: np.ndarray
    text: str
    language: str = ENGLISH
    word_starts: tuple[tuple[int, float], ...] = ()
    name: str = ""

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


def english_voice(rng: random.Random) -> Voice:
    return speech.random_voice(rng)


def mandarin_voice(rng: random.Random) -> Voice:
    """Any variant of espeak-ng's Mandarin voice at a random speed and pitch."""
    return Voice(f"cmn{rng.choice(speech.VARIANTS)}", rng.randint(*MANDARIN_SPEED_WPM), rng.randint(25, 75))


def speak(text: str, voice: Voice, *, language: str) -> Utterance:
    """`text` spoken by espeak-ng's library, with the times of its words."""
    samples = espeak().speak(text, voice, sample_rate_hz=SAMPLE_RATE_HZ)
    starts = tuple((letter, start_s) for letter, start_s in espeak().word_starts if 0 <= letter < len(text))
    return Utterance((np.clip(samples, -1, 1) * 32767).astype(np.int16), text, language, starts)


def training_sentence(rng: random.Random) -> Sentence:
    """A sentence, or now and then words in no order, so that words are learned apart from the grammar."""
    return corpus.word_list(rng) if rng.random() < WORD_LIST_SHARE else corpus.sentence(rng)


def chinese_sentence(rng: random.Random) -> Sentence:
    """`training_sentence` in Mandarin."""
    return corpus_chinese.word_list(rng) if rng.random() < WORD_LIST_SHARE else corpus_chinese.sentence(rng)


def number_sentence(rng: random.Random) -> Sentence:
    """A sentence with a string of digits, the hardest thing to hear here."""
    while "number is" not in (sentence := corpus.plain_sentence(rng)).text:
        pass
    return sentence


def chinese_number_sentence(rng: random.Random) -> Sentence:
    """`number_sentence` in Mandarin."""
    while "号码是" not in (sentence := corpus_chinese.plain_sentence(rng)).text:
        pass
    return sentence


@dataclass(frozen=True)
class SpeechSet:
    """Training sentences and their espeak-ng speech, made on first use (a minute or two) and cached afterwards."""

    name: str
    count: int
    seed: int
    draw: Callable[[random.Random], Sentence]
    language: str = ENGLISH

    def sentences(self) -> list[Sentence]:
        return corpus.sentences(self.count, seed=self.seed, held_out=False, draw=self.draw)

    def load(self) -> list[Utterance]:
        samples_path, facts_path = CACHE / f"speech_{self.name}.npy", CACHE / f"speech_{self.name}.json"
        sentences = self.sentences()
        if not facts_path.exists():
            spoken = self._spoken(sentences)
            np.save(samples_path, np.concatenate([utterance.samples for utterance in spoken]))
            ends = np.cumsum([len(utterance.samples) for utterance in spoken]).tolist()
            facts = {"ends": ends, "word_starts": [utterance.word_starts for utterance in spoken]}
            facts_path.write_text(json.dumps(facts))
        facts = json.loads(facts_path.read_text())
        clips = np.split(np.load(samples_path, mmap_mode="r"), facts["ends"][:-1])
        return [
            Utterance(
                clip, sentence.text, self.language, tuple(map(tuple, starts)), corpus_names.name_in(sentence.text)
            )
            for clip, sentence, starts in zip(clips, sentences, facts["word_starts"], strict=True)
        ]

    def _spoken(self, sentences: list[Sentence]) -> list[Utterance]:
        rng = random.Random(self.seed)
        draw_voice = mandarin_voice if self.language == CHINESE else english_voice
        return [speak(sentence.text, draw_voice(rng), language=self.language) for sentence in sentences]


SENTENCES = SpeechSet("sentences", 12_000, 11, training_sentence)
NUMBERS = SpeechSet("numbers", 3_000, 12, number_sentence)
NAMES = SpeechSet("names", 4_000, 13, corpus_names.sentence)
CHINESE_SENTENCES = SpeechSet("chinese_sentences", 8_000, 14, chinese_sentence, CHINESE)
CHINESE_NUMBERS = SpeechSet("chinese_numbers", 1_500, 15, chinese_number_sentence, CHINESE)
FREE = SpeechSet("free", 10_000, 16, corpus_free.sentence)
CHINESE_FREE = SpeechSet("chinese_free", 10_000, 17, corpus_free.chinese_sentence, CHINESE)
CHINESE_HOMOPHONES = SpeechSet("chinese_homophones", 4_000, 18, corpus_free.homophone_sentence, CHINESE)
SPEECH_SETS = (
    SENTENCES, NUMBERS, NAMES, CHINESE_SENTENCES, CHINESE_NUMBERS, FREE, CHINESE_FREE, CHINESE_HOMOPHONES,
)  # fmt: skip


def load_resynthesised(name: str = "resynthesised") -> list[Utterance]:
    """Sentences as the demo TTS codec gives them back; `python -m demo.training.resynthesise` makes them."""
    with np.load(CACHE / f"{name}.npz") as file:
        texts, languages = file["texts"].tolist(), file["languages"].tolist()
        starts = [tuple(map(tuple, json.loads(one))) for one in file["word_starts"].tolist()]
        clips = np.split(file["audio"], file["offsets"][1:-1])
    return [Utterance(*row) for row in zip(clips, texts, languages, starts, strict=True)]


def main() -> None:
    """Fills the cache."""
    for speech_set in SPEECH_SETS:
        print(speech_set.name, len(speech_set.load()), flush=True)


if __name__ == "__main__":
    main()
