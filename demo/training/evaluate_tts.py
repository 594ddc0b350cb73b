"""Second half of the demo TTS evaluation, in the ASR environment: python -m demo.training.evaluate_tts

The demo ASR hears what demo.training.speak_held_out spoke; the figures go to the manifest.
"""

import itertools
import json

import numpy as np
import soxr
import torch

from demo.training import manifest
from demo.training.evaluate_asr import Transcriber, word_errors

HEARD_FILE = "build/training/held_out_speech.npz"
NUM_THREADS = 1
TTS_SAMPLE_RATE_HZ, ASR_SAMPLE_RATE_HZ = 24000, 16000
NUM_SHOWN = 20
FACTS = {
    "seed": 7,
    "command": "make demo-checkpoints (fit_codes, codec, tts_data, talker, speak_held_out, evaluate_tts)",
    "corpus": "36,000 training-side sentences and word lists spoken by espeak-ng in four fixed voices",
}


def heard_texts(transcriber: Transcriber, audio: np.ndarray, offsets: np.ndarray) -> list[str]:
    """What the demo ASR hears in each clip of `audio` (24 kHz)."""
    clips = [
        soxr.resample(audio[start:end], TTS_SAMPLE_RATE_HZ, ASR_SAMPLE_RATE_HZ)
        for start, end in itertools.pairwise(offsets)
    ]
    return transcriber.texts(clips, language="English")


def words(text: str) -> str:
    """Lower case without punctuation: what is spoken, not how it is written."""
    return text.lower().translate(str.maketrans("", "", ".,"))


def right_words(references: list[str], found: list[str]) -> float:
    """Share of the reference words that were heard right (inserted words count as errors)."""
    pairs = [(words(reference), words(heard)) for reference, heard in zip(references, found, strict=True)]
    errors = sum(word_errors(reference, heard) for reference, heard in pairs)
    return round(1 - errors / sum(len(reference.split()) for reference, _ in pairs), 3)


def by_speaker(speakers: list[str], texts: list[str], found: list[str]) -> dict[str, float]:
    """`right_words` of each speaker."""
    rows = list(zip(speakers, texts, found, strict=True))
    return {
        name: right_words([row[1] for row in rows if row[0] == name], [row[2] for row in rows if row[0] == name])
        for name in dict.fromkeys(speakers)
    }


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    transcriber = Transcriber()
    with np.load(HEARD_FILE) as spoken:
        texts, speakers = spoken["texts"].tolist(), spoken["speakers"].tolist()
        facts = json.loads(str(spoken["facts"]))
        found = heard_texts(transcriber, spoken["audio"], spoken["offsets"])
        copied = heard_texts(transcriber, spoken["copied"], spoken["copied_offsets"])
    wrong = [triple for triple in zip(speakers, texts, found, strict=True) if words(triple[1]) != words(triple[2])]
    for speaker, text, heard in wrong[:NUM_SHOWN]:
        print(f"{speaker} said {text}\n  heard {heard}")
    quality = {
        "words_heard_right_100": right_words(texts, found),
        "words_heard_right_by_speaker": by_speaker(speakers, texts, found),
        "sentences_heard_right_100": round(1 - len(wrong) / len(texts), 3),
        "words_heard_right_100_espeak_through_codec": right_words(texts, copied),
        **facts,
    }
    print(json.dumps(quality, indent=2))
    manifest.record("tts", quality=quality, **FACTS)


if __name__ == "__main__":
    main()
