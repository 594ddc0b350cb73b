"""Utterances of the demo voices: what the codec and the talker are trained on.

Run as a script to write the talker's cache to build/training/talker/ (texts, speakers, codes and the letter that each
frame speaks): python -m demo.training.tts_data
"""

import random
from pathlib import Path

import numpy as np
import torch

from demo.training.corpus import sentences, word_list
from demo.training.espeak_library import NATURAL, espeak
from demo.training.speech import Voice, random_voice
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, SPEAKERS

TALKER_CACHE = BUILD / "talker"
NUM_TALKER_UTTERANCES = 36_000  # the talker may start on the first chunks
NUM_THREADS = 1
TALKER_SEED = 11
WORD_LIST_SHARE = 0.2
CHUNK = 2000
LOUDNESS_RMS = 0.1
TRAILING_SILENCE_S = 0.16
AUDIBLE = 1e-3


def training_texts(count: int, seed: int) -> list[str]:
    """Training-side texts: sentences, a fifth of them word lists, in random order."""
    num_lists = int(count * WORD_LIST_SHARE)
    drawn = sentences(count - num_lists, seed=seed, held_out=False)
    drawn += sentences(num_lists, seed=seed + 1, held_out=False, draw=word_list)
    random.Random(seed).shuffle(drawn)
    return [sentence.text for sentence in drawn]


def tidy(audio: np.ndarray) -> np.ndarray:
    """One loudness for all voices, a short silence at the end, a whole number of frames."""
    audio = audio * (LOUDNESS_RMS / max(float(np.sqrt(np.mean(audio**2))), AUDIBLE))
    end = int(np.nonzero(np.abs(audio) > AUDIBLE)[0][-1]) + int(TRAILING_SILENCE_S * SAMPLE_RATE_HZ)
    num_frames = -(-end // SAMPLES_PER_FRAME)
    tidied = np.zeros(num_frames * SAMPLES_PER_FRAME, dtype=np.float32)
    tidied[: min(len(audio), end)] = audio[:end]
    return np.clip(tidied, -1.0, 1.0)


def spoken(texts: list[str], voices: list[Voice], intonation: int = NATURAL) -> list[np.ndarray]:
    """Audio (24 kHz, whole frames) of each text in its voice."""
    return [
        tidy(espeak().speak(text, voice, sample_rate_hz=SAMPLE_RATE_HZ, intonation=intonation))
        for text, voice in zip(texts, voices, strict=True)
    ]


def mixed_voices(count: int, seed: int) -> list[Voice]:
    """The demo speakers in turn, every fourth utterance a random voice."""
    rng = random.Random(seed)
    named = list(SPEAKERS.values())
    return [named[index // 4 % len(named)] if index % 4 else random_voice(rng) for index in range(count)]


def letters_spoken(text: str, word_starts: list[tuple[int, float]], num_frames: int) -> np.ndarray:
    """Index of the letter of `text` that each frame speaks, spread evenly from one word's start to the next."""
    starts = [(letter, start_s) for letter, start_s in word_starts if letter < len(text)]
    frame_s = SAMPLES_PER_FRAME / SAMPLE_RATE_HZ
    letters = [letter for letter, _ in starts] + [len(text)]
    times_s = [start_s for _, start_s in starts] + [num_frames * frame_s - TRAILING_SILENCE_S]
    spread = np.interp((np.arange(num_frames) + 0.5) * frame_s, times_s, letters)
    return np.minimum(spread.astype(np.int64), len(text) - 1)


def save_chunk(file: Path, texts: list[str], speakers: list[int], books: CodeBooks) -> None:
    """Speak and encode one chunk of the talker's cache; a reader never sees half a file."""
    voices = list(SPEAKERS.values())
    codes, letters = [], []
    for text, speaker in zip(texts, speakers, strict=True):
        (audio,) = spoken([text], [voices[speaker]])
        codes.append(books.encode(audio))
        letters.append(letters_spoken(text, espeak().word_starts, len(codes[-1])))
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as stream:
        np.savez(
            stream,
            texts=np.array(texts),
            speakers=speakers,
            lengths=np.array([len(one) for one in codes]),
            codes=np.concatenate(codes),
            letters=np.concatenate(letters).astype(np.uint8),
        )
    fresh.rename(file)


def main() -> None:
    """Write the chunks that are not there yet; training may begin on the first ones."""
    torch.set_num_threads(NUM_THREADS)
    TALKER_CACHE.mkdir(parents=True, exist_ok=True)
    books = CodeBooks.load()
    texts = training_texts(NUM_TALKER_UTTERANCES, TALKER_SEED)
    for start in range(0, len(texts), CHUNK):
        file = TALKER_CACHE / f"{start:06d}.npz"
        if not file.exists():
            chunk = texts[start : start + CHUNK]
            save_chunk(file, chunk, [index % len(SPEAKERS) for index in range(len(chunk))], books)
            print(file, flush=True)


if __name__ == "__main__":
    main()
