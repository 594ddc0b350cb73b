"""What is said and asked for: sentences that no demo checkpoint was trained on."""

import io
import itertools
import random

import soundfile

from demo.training.corpus import plain_sentence, scene_sentence, sentences, written
from demo.training.speech import random_voice, speak_all

SAMPLE_RATE_HZ = 16_000
SEED = 11


def spoken_questions(count: int) -> list[bytes]:
    """WAV files of two sentences each, by voices of espeak-ng."""
    said = [one.text for one in sentences(2 * count, seed=SEED, held_out=True, draw=plain_sentence)]
    texts = [f"{first} {second}" for first, second in zip(said[::2], said[1::2], strict=True)]
    rng = random.Random(SEED)
    spoken = speak_all(texts, [random_voice(rng) for _ in texts], sample_rate_hz=SAMPLE_RATE_HZ)
    return [_wav(samples) for samples in spoken]


def ideas(count: int) -> list[str]:
    """Two scenes or four, by turns: of both, the demo checkpoint should make four pictures."""
    drawn = sentences(5 * count, seed=SEED, held_out=True, draw=scene_sentence)
    scenes = iter(dict.fromkeys(written(one.scene.phrase()) for one in drawn if one.scene is not None))
    return [" ".join(itertools.islice(scenes, 4 if number % 2 else 2)) for number in range(count)]


def _wav(samples: object) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, "PCM_16", format="WAV")
    return file.getvalue()
