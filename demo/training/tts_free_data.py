"""Utterances in free order and of several sentences: python -m demo.training.tts_free_data

Goes to build/training/talker_free/, as `tts_data` to its folder, but for the published voices: a clone's voice is what
the published speaker encoder hears in another utterance, so the encoder stays as it is. Needs `fit_codes` and the
published cloning checkpoint.
"""

import random

import numpy as np
import torch

from demo.training import corpus, corpus_free, speaker_encoder
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, Qwen3TTSSpeakerEncoder
from demo.training.tts_data import TEXTS_A_VOICE, ChunkSize, Utterance, plan_chunk, save_chunk, training_texts
from demo.training.tts_speech import spoken

CACHE = BUILD / "talker_free"
NUM_CHUNKS = 30
NUM_THREADS = 1
SEED = 71
FREE_SHARE = 0.5  # of the sentences
NUM_SENTENCES_SHARES = (0.5, 0.18, 0.15, 0.12, 0.05)  # of one to five in a piece
CHUNK_SIZE = ChunkSize({"ava": 75, "clara": 75, "dan": 75, "ben": 75, "mei": 260}, cloned_voices=60, designed=100)
FREE_DRAWS = {"english": corpus_free.sentence, "chinese": corpus_free.chinese_sentence}
SEPARATORS = {"english": " ", "chinese": ""}


def free_texts(count: int, seed: int, language: str) -> list[str]:
    """Training-side texts of one to five sentences, half of which are in free order."""
    rng = random.Random(seed)
    sizes = rng.choices(range(1, len(NUM_SENTENCES_SHARES) + 1), NUM_SENTENCES_SHARES, k=count)
    num_free = round(sum(sizes) * FREE_SHARE)
    drawn = corpus.sentences(num_free, seed=seed, held_out=False, draw=FREE_DRAWS[language])
    sentences = [sentence.text for sentence in drawn] + training_texts(sum(sizes) - num_free, seed, language)
    rng.shuffle(sentences)
    return in_pieces(sentences, sizes, language)


def in_pieces(sentences: list[str], sizes: list[int], language: str) -> list[str]:
    """`sentences` in order, `sizes` of them in a piece."""
    ends = np.cumsum(sizes)
    return [SEPARATORS[language].join(sentences[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


@torch.inference_mode()
def heard_voices(planned: list[Utterance], encoder: Qwen3TTSSpeakerEncoder) -> np.ndarray:
    """(utterances, hidden): of clones what `encoder` hears in another utterance of the same voice, else zeros."""
    voices = np.zeros((len(planned), encoder.fc.out_channels), dtype=np.float32)
    for row, utterance in enumerate(planned):
        if not utterance.speaker and not utterance.instruction:
            near = planned[max(0, row - TEXTS_A_VOICE + 1) : row + TEXTS_A_VOICE]
            other = next((one for one in near if one.voice == utterance.voice and one != utterance), utterance)
            audio = spoken(other.text, utterance.voice)
            voices[row] = encoder(speaker_encoder.mel(audio).unsqueeze(0))[0].numpy()
    return voices


def main() -> None:
    """Write the chunks that are not there yet; training may begin on the first ones."""
    torch.set_num_threads(NUM_THREADS)
    CACHE.mkdir(parents=True, exist_ok=True)
    books, encoder = CodeBooks.load(), speaker_encoder.load_published()
    for index in range(NUM_CHUNKS):
        file = CACHE / f"{index:03d}.npz"
        if not file.exists():
            planned = plan_chunk(SEED + index, CHUNK_SIZE, free_texts)
            save_chunk(file, planned, books, embeddings=heard_voices(planned, encoder))
            print(file, flush=True)


if __name__ == "__main__":
    main()
