"""Codec audio for the recogniser's training, to build/training/resynthesised{,_free}.npz:
python -m demo.training.resynthesise

Training-side texts in both languages, spoken by the demo speakers and by others, encoded and decoded again; those of
the second file have one to five sentences, half of them in free order. A file holds `texts`, `languages`, `audio`
(16 kHz int16, one after another), `offsets` (where each begins, and the end) and, as JSON, the `word_starts`.
"""

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import soxr
import torch

from demo.training.espeak_library import espeak
from demo.training.fit_codes import mixed_utterances
from demo.training.speech import Voice
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, SAMPLE_RATE_HZ, Qwen3TTSTokenizerV2Model, load_codec
from demo.training.tts_data import training_texts
from demo.training.tts_free_data import free_texts
from demo.training.tts_speech import TONAL_LANGUAGE, codes_of, flat
from demo.training.tts_voices import SPEAKERS

FILE, FREE_FILE = BUILD / "resynthesised.npz", BUILD / "resynthesised_free.npz"
NUM_THREADS = 1
SEED = 23
NUM_DRAWN = 1700  # a tenth of them Mandarin, left out
NUM_MANDARIN = 400
NUM_FREE, NUM_FREE_MANDARIN = 900, 400
MANDARIN_SPEAKER = "mei"
SAVE_EVERY = 300
ASR_SAMPLE_RATE_HZ = 16000


def committed_books(codec: Qwen3TTSTokenizerV2Model) -> CodeBooks:
    """The fitted components with the centroids of `codec`: k-means ends elsewhere on another machine."""
    quantizer = codec.decoder.quantizer
    layers = [*quantizer.rvq_first.vq.layers, *quantizer.rvq_rest.vq.layers]
    books = [layer._codebook.embedding_sum / layer._codebook.cluster_usage[:, None] for layer in layers]
    return replace(CodeBooks.load(), centroids=torch.stack(books))


def write(file: Path, said: list[tuple[str, Voice]], audios: list[np.ndarray]) -> None:
    """Replace the file at once, so that a reader never sees half of it."""
    fresh = file.with_suffix(".new.npz")
    np.savez(
        fresh,
        texts=np.array([text for text, _ in said]),
        languages=np.array([language_of(voice) for _, voice in said]),
        audio=np.concatenate(audios),
        offsets=np.cumsum([0, *map(len, audios)]),
        word_starts=np.array([json.dumps(word_starts(text, voice)) for text, voice in said]),
    )
    os.replace(fresh, file)


def word_starts(text: str, voice: Voice) -> list[tuple[int, float]]:
    """(index of the first letter, time in s) of each word: the codec leaves the times as they are."""
    flat(text, voice)
    return [(letter, start_s) for letter, start_s in espeak().word_starts if 0 <= letter < len(text)]


def language_of(voice: Voice) -> str:
    return "Chinese" if voice.name.startswith(TONAL_LANGUAGE) else "English"


def english_utterances(count: int, seed: int) -> list[tuple[str, Voice]]:
    """Texts and voices, in random order."""
    mixed = mixed_utterances(count, seed)
    english = [(text, voice) for text, voice in mixed if language_of(voice) == "English"]
    random.Random(seed).shuffle(english)
    return english


def copied(text: str, voice: Voice, books: CodeBooks, codec: Qwen3TTSTokenizerV2Model) -> np.ndarray:
    """16 kHz int16."""
    codes = torch.from_numpy(codes_of(text, voice, books)).long()
    heard = codec.decode(codes.unsqueeze(0)).audio_values[0].numpy()
    resampled = soxr.resample(heard, SAMPLE_RATE_HZ, ASR_SAMPLE_RATE_HZ)
    return (resampled.clip(-1, 1) * 32767).astype(np.int16)


def write_copies(
    file: Path, english: list[tuple[str, Voice]], mandarin: list[str], books: CodeBooks, codec: Qwen3TTSTokenizerV2Model
) -> None:
    planned = english + [(text, SPEAKERS[MANDARIN_SPEAKER]) for text in mandarin]
    random.Random(SEED).shuffle(planned)
    decoded: list[np.ndarray] = []
    for text, voice in planned:
        decoded.append(copied(text, voice, books, codec))
        if len(decoded) % SAVE_EVERY == 0:
            write(file, planned[: len(decoded)], decoded)
    write(file, planned, decoded)


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    codec = load_codec()
    books = committed_books(codec)
    english = english_utterances(NUM_DRAWN, SEED)
    write_copies(FILE, english, training_texts(NUM_MANDARIN, SEED, "chinese"), books, codec)
    voices = [voice for _, voice in english]
    in_free_order = list(zip(free_texts(NUM_FREE, SEED, "english"), voices, strict=False))
    write_copies(FREE_FILE, in_free_order, free_texts(NUM_FREE_MANDARIN, SEED, "chinese"), books, codec)


if __name__ == "__main__":
    main()
