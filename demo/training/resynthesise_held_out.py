"""Codec audio of held-out sentences for `evaluate_asr`, to build/training/resynthesised_held_out.npz.

Same layout as `resynthesise`; run `python -m demo.training.resynthesise_held_out` in the TTS environment.
"""

import numpy as np
import soxr
import torch

from demo.training import corpus
from demo.training.resynthesise import ASR_SAMPLE_RATE_HZ
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, SAMPLE_RATE_HZ, load_codec
from demo.training.tts_data import mixed_voices, spoken

NUM_SENTENCES = 100
SEED = 8
NUM_THREADS = 1


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    books, codec = CodeBooks.load(), load_codec()
    texts = [sentence.text for sentence in corpus.sentences(NUM_SENTENCES, seed=SEED, held_out=True)]
    clips: list[np.ndarray] = []
    for audio in spoken(texts, mixed_voices(NUM_SENTENCES, SEED)):
        codes = torch.from_numpy(books.encode(audio)).long()
        heard = codec.decode(codes.unsqueeze(0)).audio_values[0].numpy()
        resampled = soxr.resample(heard, SAMPLE_RATE_HZ, ASR_SAMPLE_RATE_HZ)
        clips.append((resampled.clip(-1, 1) * 32767).astype(np.int16))
    offsets = np.cumsum([0, *map(len, clips)])
    np.savez(BUILD / "resynthesised_held_out.npz", texts=np.array(texts), audio=np.concatenate(clips), offsets=offsets)


if __name__ == "__main__":
    main()
