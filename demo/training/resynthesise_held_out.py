"""Codec audio of held-out sentences for `evaluate_asr`, to build/training/resynthesised_held_out.npz.

Same layout as `resynthesise`; run `python -m demo.training.resynthesise_held_out` in the TTS environment.
"""

import numpy as np
import torch

from demo.training import corpus
from demo.training.resynthesise import copied, english_utterances
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, load_codec

NUM_SENTENCES = 100
NUM_DRAWN = 200  # enough for as many English voices
SEED = 8
NUM_THREADS = 1


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    books, codec = CodeBooks.load(), load_codec()
    texts = [sentence.text for sentence in corpus.sentences(NUM_SENTENCES, seed=SEED, held_out=True)]
    voices = [voice for _, voice in english_utterances(NUM_DRAWN, SEED)]
    clips = [copied(text, voice, books, codec) for text, voice in zip(texts, voices, strict=False)]
    offsets = np.cumsum([0, *map(len, clips)])
    np.savez(BUILD / "resynthesised_held_out.npz", texts=np.array(texts), audio=np.concatenate(clips), offsets=offsets)


if __name__ == "__main__":
    main()
