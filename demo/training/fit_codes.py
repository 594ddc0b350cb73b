"""Fit the demo codec's components and centroids, to build/training/code_books.npz: python -m demo.training.fit_codes"""

import random

import torch

from demo.training.speech import Voice
from demo.training.speech_codes import CodeBooks, features
from demo.training.tts_data import training_texts
from demo.training.tts_speech import flat
from demo.training.tts_voices import SPEAKER_LANGUAGES, SPEAKERS, training_voice

NUM_THREADS = 1
SEED = 5
NUM_UTTERANCES = 1500


def mixed_utterances(count: int, seed: int) -> list[tuple[str, Voice]]:
    """Texts and voices: the demo speakers in turn, every other utterance any training voice."""
    rng = random.Random(seed)
    texts = {language: iter(training_texts(count, seed, language)) for language in ("english", "chinese")}
    names = list(SPEAKERS)
    mixed = []
    for index in range(count):
        name = names[index // 2 % len(names)]
        if index % 2:
            mixed.append((next(texts["english"]), training_voice(rng)))
        else:
            mixed.append((next(texts[SPEAKER_LANGUAGES[name]]), SPEAKERS[name]))
    return sorted(mixed, key=lambda pair: pair[1].name)  # espeak-ng changes its language slowly


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    frames = [features(flat(text, voice)) for text, voice in mixed_utterances(NUM_UTTERANCES, SEED)]
    CodeBooks.fit(torch.cat(frames), SEED).save()


if __name__ == "__main__":
    main()
