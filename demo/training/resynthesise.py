"""Codec audio for the recogniser's training, to build/training/resynthesised.npz: python -m demo.training.resynthesise

Training-side texts in English, spoken by the demo speakers and by others, encoded and decoded again. The file holds
`texts`, `audio` (16 kHz int16, one after another) and `offsets` (where each begins, and the end).
"""

import os
import random

import numpy as np
import soxr
import torch

from demo.training.fit_codes import mixed_utterances
from demo.training.speech import Voice
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, SAMPLE_RATE_HZ, Qwen3TTSTokenizerV2Model, load_codec
from demo.training.tts_speech import TONAL_LANGUAGE, codes_of

FILE = BUILD / "resynthesised.npz"
NUM_THREADS = 1
SEED = 23
NUM_UTTERANCES = 1700  # a tenth of them Mandarin, left out
SAVE_EVERY = 300
ASR_SAMPLE_RATE_HZ = 16000


def write(texts: list[str], audios: list[np.ndarray]) -> None:
    """Replace the file at once, so that a reader never sees half of it."""
    fresh = FILE.with_suffix(".new.npz")
    np.savez(fresh, texts=np.array(texts), audio=np.concatenate(audios), offsets=np.cumsum([0, *map(len, audios)]))
    os.replace(fresh, FILE)


def english_utterances(count: int, seed: int) -> list[tuple[str, Voice]]:
    """Texts and voices, in random order."""
    mixed = mixed_utterances(count, seed)
    english = [(text, voice) for text, voice in mixed if not voice.name.startswith(TONAL_LANGUAGE)]
    random.Random(seed).shuffle(english)
    return english


def copied(text: str, voice: Voice, books: CodeBooks, codec: Qwen3TTSTokenizerV2Model) -> np.ndarray:
    """16 kHz int16."""
    codes = torch.from_numpy(codes_of(text, voice, books)).long()
    heard = codec.decode(codes.unsqueeze(0)).audio_values[0].numpy()
    resampled = soxr.resample(heard, SAMPLE_RATE_HZ, ASR_SAMPLE_RATE_HZ)
    return (resampled.clip(-1, 1) * 32767).astype(np.int16)


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    books, codec = CodeBooks.load(), load_codec()
    texts: list[str] = []
    decoded: list[np.ndarray] = []
    for text, voice in english_utterances(NUM_UTTERANCES, SEED):
        texts.append(text)
        decoded.append(copied(text, voice, books, codec))
        if len(decoded) % SAVE_EVERY == 0:
            write(texts, decoded)
    write(texts, decoded)


if __name__ == "__main__":
    main()
