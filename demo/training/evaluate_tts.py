"""Second half of the demo TTS evaluation, in the ASR environment: python -m demo.training.evaluate_tts

The demo ASR hears what demo.training.speak_held_out, speak_pieces and speak_voices spoke; the figures go to the
manifest.
"""

import itertools
import json

import numpy as np
import soxr
import torch

from demo.training import manifest
from demo.training.asr_data import CHINESE, ENGLISH
from demo.training.evaluate_asr import Transcriber, edits, units

HEARD_FILE = "build/training/held_out_speech.npz"
PIECES_FILE = "build/training/pieces_speech.npz"
VOICES_FILE = "build/training/voices_speech.npz"
NUM_THREADS = 1
TTS_SAMPLE_RATE_HZ, ASR_SAMPLE_RATE_HZ = 24000, 16000
NUM_SHOWN = 20
SCRIPTS = (
    "fit_codes", "codec", "mimi", "voice_space", "tts_data", "talker from_scratch", "speaker_encoder", "publish_voices",
    "tts_free_data", "talker free", "speak_held_out", "speak_pieces", "speak_voices", "evaluate_tts",
)  # fmt: skip
FACTS = {
    "seed": 7,
    "command": [f"python -m demo.training.{script}" for script in SCRIPTS],
    "corpus": "26,000 training-side sentences and word lists spoken by espeak-ng: five fixed voices (one Mandarin), "
    "2,080 voices of 40 kinds for the clones, voices that obey an instruction; in talker free 27,000 texts of one to "
    "five sentences, half of them in free order",
}


def heard_texts(transcriber: Transcriber, audio: np.ndarray, offsets: np.ndarray, language: str = ENGLISH) -> list[str]:
    """What the demo ASR hears in each clip of `audio` (24 kHz)."""
    clips = [
        soxr.resample(audio[start:end], TTS_SAMPLE_RATE_HZ, ASR_SAMPLE_RATE_HZ)
        for start, end in itertools.pairwise(offsets)
    ]
    return transcriber.texts(clips, language=language)


def words(text: str) -> str:
    """Lower case without punctuation: what is spoken, not how it is written."""
    return text.lower().translate(str.maketrans("", "", ".,。，"))


def right_words(references: list[str], found: list[str], language: str = ENGLISH) -> float:
    """Share of the reference words, in Chinese characters, that were heard right (inserted ones count as errors)."""
    pairs = [
        (units(words(reference), language), units(words(heard), language))
        for reference, heard in zip(references, found, strict=True)
    ]
    errors = sum(edits(reference, heard) for reference, heard in pairs)
    return round(1 - errors / sum(len(reference) for reference, _ in pairs), 3)


def by_speaker(speakers: list[str], texts: list[str], found: list[str]) -> dict[str, float]:
    """`right_words` of each speaker."""
    rows = list(zip(speakers, texts, found, strict=True))
    return {
        name: right_words([row[1] for row in rows if row[0] == name], [row[2] for row in rows if row[0] == name])
        for name in dict.fromkeys(speakers)
    }


def evaluate_speakers(transcriber: Transcriber) -> None:
    """Records how well the demo speakers are heard."""
    with np.load(HEARD_FILE) as spoken:
        texts, speakers = spoken["texts"].tolist(), spoken["speakers"].tolist()
        facts = json.loads(str(spoken["facts"]))
        found, fed, copied = (
            heard_texts(transcriber, spoken[f"{prefix}audio"], spoken[f"{prefix}offsets"])
            for prefix in ("", "fed_", "copied_")
        )
    wrong = [triple for triple in zip(speakers, texts, found, strict=True) if words(triple[1]) != words(triple[2])]
    for speaker, text, heard in wrong[:NUM_SHOWN]:
        print(f"{speaker} said {text}\n  heard {heard}")
    quality = {
        "words_heard_right_100": right_words(texts, found),
        "words_heard_right_100_text_alongside": right_words(texts, fed),
        "words_heard_right_by_speaker": by_speaker(speakers, texts, found),
        "sentences_heard_right_100": round(1 - len(wrong) / len(texts), 3),
        "words_heard_right_100_espeak_through_codec": right_words(texts, copied),
        "pieces": piece_facts(transcriber),
        **facts,
    }
    print(json.dumps(quality, indent=2))
    manifest.record("tts", quality=quality, **FACTS)


def piece_facts(transcriber: Transcriber) -> dict[str, dict[str, dict[str, float]]]:
    """How well sentences, free order and several sentences in a piece are heard, by language."""
    facts: dict[str, dict[str, dict[str, float]]] = {}
    with np.load(PIECES_FILE) as spoken:
        for language, kind in itertools.product((ENGLISH, CHINESE), ("sentences", "free", "several")):
            prefix = f"{language.lower()}_{kind}_"
            texts = spoken[f"{prefix}texts"].tolist()
            found, copied = (
                heard_texts(transcriber, spoken[f"{prefix}{clips}audio"], spoken[f"{prefix}{clips}offsets"], language)
                for clips in ("", "copied_")
            )
            facts.setdefault(language.lower(), {})[kind] = {
                "pieces": len(texts),
                "words_heard_right": right_words(texts, found, language),
                "words_heard_right_espeak_through_codec": right_words(texts, copied, language),
            }
    return facts


def evaluate_voices(transcriber: Transcriber) -> None:
    """Records how well clones and designed voices are heard, and what speak_voices measured."""
    with np.load(VOICES_FILE) as spoken:
        facts = json.loads(str(spoken["facts"]))
        for name, prefix in (("tts_base", "clone_"), ("tts_design", "design_")):
            texts = spoken[f"{prefix}texts"].tolist()
            found = heard_texts(transcriber, spoken[f"{prefix}audio"], spoken[f"{prefix}offsets"])
            quality = {**facts[name], "words_heard_right": right_words(texts, found)}
            print(name, json.dumps(quality, indent=2))
            manifest.record(name, quality=quality, **FACTS)


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    transcriber = Transcriber()
    evaluate_speakers(transcriber)
    evaluate_voices(transcriber)


if __name__ == "__main__":
    main()
