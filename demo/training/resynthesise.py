"""Codec audio for the recogniser's training, to build/training/resynthesised.npz: python -m demo.training.resynthesise

Training-side texts, spoken by the demo speakers and by random voices, encoded and decoded again. The file holds
`texts`, `audio` (16 kHz int16, one after another) and `offsets` (where each begins, and the end).
"""

import os

import numpy as np
import soxr
import torch

from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, SAMPLE_RATE_HZ, load_codec
from demo.training.tts_data import mixed_voices, spoken, training_texts

FILE = BUILD / "resynthesised.npz"
NUM_THREADS = 1
SEED = 23
NUM_UTTERANCES = 1500
SAVE_EVERY = 300
ASR_SAMPLE_RATE_HZ = 16000


def write(texts: list[str], audios: list[np.ndarray]) -> None:
    """Replace the file at once, so that a reader never sees half of it."""
    fresh = FILE.with_suffix(".new.npz")
    np.savez(fresh, texts=np.array(texts), audio=np.concatenate(audios), offsets=np.cumsum([0, *map(len, audios)]))
    os.replace(fresh, FILE)


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    books, codec = CodeBooks.load(), load_codec()
    texts = training_texts(NUM_UTTERANCES, SEED)
    decoded: list[np.ndarray] = []
    for text, voice in zip(texts, mixed_voices(NUM_UTTERANCES, SEED), strict=True):
        (audio,) = spoken([text], [voice])
        codes = torch.from_numpy(books.encode(audio)).long()
        heard = codec.decode(codes.unsqueeze(0)).audio_values[0].numpy()
        resampled = soxr.resample(heard, SAMPLE_RATE_HZ, ASR_SAMPLE_RATE_HZ)
        decoded.append((resampled.clip(-1, 1) * 32767).astype(np.int16))
        if len(decoded) % SAVE_EVERY == 0:
            write(texts[: len(decoded)], decoded)


if __name__ == "__main__":
    main()
