"""Fit the demo codec's components and centroids, to build/training/code_books.npz: python -m demo.training.fit_codes"""

import torch

from demo.training.speech_codes import CodeBooks, features
from demo.training.tts_data import mixed_voices, spoken, training_texts

NUM_THREADS = 1
SEED = 5
NUM_UTTERANCES = 1600


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    audios = spoken(training_texts(NUM_UTTERANCES, SEED), mixed_voices(NUM_UTTERANCES, SEED))
    CodeBooks.fit(torch.cat([features(audio) for audio in audios]), SEED).save()


if __name__ == "__main__":
    main()
