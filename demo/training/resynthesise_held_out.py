"""Codec audio of held-out sentences for `evaluate_asr`, to build/training/resynthesised_held_out.npz.

Same layout as `resynthesise`; run `python -m demo.training.resynthesise_held_out` in the TTS environment.
"""

import torch

from demo.training import corpus, corpus_chinese
from demo.training.resynthesise import MANDARIN_SPEAKER, committed_books, copied, english_utterances, write
from demo.training.tts_config import BUILD, load_codec
from demo.training.tts_voices import SPEAKERS

FILE = BUILD / "resynthesised_held_out.npz"
NUM_SENTENCES = 100
NUM_MANDARIN = 50
NUM_DRAWN = 200  # enough for as many English voices
SEED = 8
NUM_THREADS = 1


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    codec = load_codec()
    books = committed_books(codec)
    english = [sentence.text for sentence in corpus.sentences(NUM_SENTENCES, seed=SEED, held_out=True)]
    voices = [voice for _, voice in english_utterances(NUM_DRAWN, SEED)]
    mandarin = corpus.sentences(NUM_MANDARIN, seed=SEED, held_out=True, draw=corpus_chinese.sentence)
    said = list(zip(english, voices, strict=False))
    said += [(sentence.text, SPEAKERS[MANDARIN_SPEAKER]) for sentence in mandarin]
    write(FILE, said, [copied(text, voice, books, codec) for text, voice in said])


if __name__ == "__main__":
    main()
