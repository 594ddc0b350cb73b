"""The talker's training utterances, to build/training/talker/: python -m demo.training.tts_data

Each chunk mixes utterances of the demo speakers, of any training voice (four texts a voice: another one is the clone's
reference) and of voices that obey an instruction. A row holds the text, who says it, the codes, and the letter that
each frame speaks.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from demo.training import corpus, corpus_chinese
from demo.training.espeak_library import espeak
from demo.training.instructions import instructions, obedient_voice
from demo.training.speech import Voice
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from demo.training.tts_speech import TRAILING_SILENCE_S, flat, registers_of
from demo.training.tts_voices import SPEAKER_LANGUAGES, SPEAKERS, training_voice

TALKER_CACHE = BUILD / "talker"
NUM_CHUNKS = 26  # the talker may start on the first ones
NUM_THREADS = 1
TALKER_SEED = 11
WORD_LIST_SHARE = 0.2
TEXTS_A_VOICE = 4
LANGUAGES = {"english": corpus, "chinese": corpus_chinese}

DrawTexts = Callable[[int, int, str], list[str]]  # count, seed, language


@dataclass(frozen=True)
class ChunkSize:
    """How many utterances each speaker has in a chunk, how many voices are for clones, how many obey an instruction."""

    named: Mapping[str, int]
    cloned_voices: int
    designed: int


CHUNK_SIZE = ChunkSize({"ava": 95, "clara": 95, "dan": 95, "ben": 95, "mei": 150}, cloned_voices=80, designed=150)


def training_texts(count: int, seed: int, language: str = "english") -> list[str]:
    """Training-side texts: sentences, a fifth of them word lists, in random order."""
    module = LANGUAGES[language]
    num_lists = int(count * WORD_LIST_SHARE)
    drawn = corpus.sentences(count - num_lists, seed=seed, held_out=False, draw=module.sentence)
    drawn += corpus.sentences(num_lists, seed=seed + 1, held_out=False, draw=module.word_list)
    random.Random(seed).shuffle(drawn)
    return [sentence.text for sentence in drawn]


@dataclass(frozen=True)
class Utterance:
    """What to say in which voice; `speaker` and `instruction` are empty where there is none."""

    text: str
    voice: Voice
    speaker: str = ""
    instruction: str = ""


def plan_chunk(seed: int, size: ChunkSize, draw_texts: DrawTexts) -> list[Utterance]:
    """The utterances of one chunk."""
    rng = random.Random(seed)
    num_named = {
        language: sum(count for name, count in size.named.items() if SPEAKER_LANGUAGES[name] == language)
        for language in LANGUAGES
    }
    num_english = num_named["english"] + size.cloned_voices * TEXTS_A_VOICE + size.designed
    texts = {
        "english": iter(draw_texts(num_english, seed, "english")),
        "chinese": iter(draw_texts(num_named["chinese"], seed, "chinese")),
    }
    planned = [
        Utterance(next(texts[SPEAKER_LANGUAGES[name]]), SPEAKERS[name], speaker=name)
        for name, count in size.named.items()
        for _ in range(count)
    ]
    for _ in range(size.cloned_voices):
        voice = training_voice(rng)
        planned += [Utterance(next(texts["english"]), voice) for _ in range(TEXTS_A_VOICE)]
    for told in instructions(size.designed, seed=seed, held_out=False):
        planned.append(Utterance(next(texts["english"]), obedient_voice(told, rng), instruction=told.text))
    return planned


def letters_spoken(text: str, word_starts: list[tuple[int, float]], num_frames: int) -> np.ndarray:
    """Index of the letter of `text` that each frame speaks, spread evenly from one word's start to the next."""
    starts = [(letter, start_s) for letter, start_s in word_starts if letter < len(text)]
    frame_s = SAMPLES_PER_FRAME / SAMPLE_RATE_HZ
    letters = [letter for letter, _ in starts] + [len(text)]
    times_s = [start_s for _, start_s in starts] + [num_frames * frame_s - TRAILING_SILENCE_S]
    spread = np.interp((np.arange(num_frames) + 0.5) * frame_s, times_s, letters)
    return np.minimum(spread.astype(np.int64), len(text) - 1)


def save_chunk(file: Path, planned: list[Utterance], books: CodeBooks, **more: np.ndarray) -> None:
    """Speak and encode one chunk of the talker's cache, with `more` arrays; a reader never sees half a file."""
    codes, letters = [], []
    for utterance in planned:
        audio = flat(utterance.text, utterance.voice)
        num_frames = len(audio) // SAMPLES_PER_FRAME
        letters.append(letters_spoken(utterance.text, espeak().word_starts, num_frames))
        codes.append(books.encode(audio, registers_of(utterance.text, utterance.voice, num_frames)))
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as stream:
        np.savez(
            stream,
            texts=np.array([utterance.text for utterance in planned]),
            speakers=np.array([utterance.speaker for utterance in planned]),
            instructions=np.array([utterance.instruction for utterance in planned]),
            voices=np.array([utterance.voice.name for utterance in planned]),
            speeds_wpm=np.array([utterance.voice.speed_wpm for utterance in planned]),
            pitches=np.array([utterance.voice.pitch for utterance in planned]),
            lengths=np.array([len(one) for one in codes]),
            codes=np.concatenate(codes),
            letters=np.concatenate(letters).astype(np.uint16),
            **more,
        )
    fresh.rename(file)


def main() -> None:
    """Write the chunks that are not there yet; training may begin on the first ones."""
    torch.set_num_threads(NUM_THREADS)
    TALKER_CACHE.mkdir(parents=True, exist_ok=True)
    books = CodeBooks.load()
    for index in range(NUM_CHUNKS):
        file = TALKER_CACHE / f"{index:03d}.npz"
        if not file.exists():
            save_chunk(file, plan_chunk(TALKER_SEED + index, CHUNK_SIZE, training_texts), books)
            print(file, flush=True)


if __name__ == "__main__":
    main()
