"""What is said and asked for: sentences that no demo checkpoint was trained on."""

import io
import random

import soundfile

from demo.training.corpus import plain_sentence, scene_sentence, sentences
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
    """Two scenes each: the demo checkpoint tells each of them in two sizes, so there are four pictures."""
    drawn = sentences(8 * count, seed=SEED, held_out=True, draw=scene_sentence)
    scenes = list(dict.fromkeys(one.scene.phrase() for one in drawn if one.scene is not None))[: 2 * count]
    return [
        f"{first[0].upper()}{first[1:]}. {second[0].upper()}{second[1:]}."
        for first, second in zip(scenes[::2], scenes[1::2], strict=True)
    ]


def _wav(samples: object) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, "PCM_16", format="WAV")
    return file.getvalue()
