"""Measures the demo aligner on unseen sentences and writes the figures to the manifest.

Run `python -m demo.training.evaluate_aligner` after training; `evaluate_aligner FOLDER` only prints the figures of a
checkpoint that is not published. The truth is espeak-ng's (see `word_times`); errors are in ms.
"""

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.models.qwen3_asr import Qwen3ASRForTokenClassification, Qwen3ASRProcessor

from demo.training import corpus, corpus_chinese, manifest
from demo.training.aligner import CHECKPOINT, NUM_THREADS
from demo.training.asr_data import CHINESE, ENGLISH, Utterance, english_voice, mandarin_voice, speak
from demo.training.clips import Clip, quiet_clip, speech_clip
from demo.training.word_times import TimedWord, timed_words

NUM_SENTENCES = 200
NUM_SEVERAL = 40
SEVERAL = (2, 6)  # sentences in one clip
LONGEST_S = 28.0
SEED = 7
BATCH_SIZE = 8
CLOSE_MS = 100
DRAWS = {ENGLISH: corpus.sentence, CHINESE: corpus_chinese.sentence}
VOICES = {ENGLISH: english_voice, CHINESE: mandarin_voice}


class Aligner:
    """The checkpoint behind the published classes."""

    def __init__(self, folder: Path = CHECKPOINT) -> None:
        self.processor = Qwen3ASRProcessor.from_pretrained(folder)
        self.model = Qwen3ASRForTokenClassification.from_pretrained(folder).eval()

    def align(self, clips: Sequence[Clip]) -> list[list[TimedWord]]:
        """The words of each clip, as heard, in one batch."""
        inputs, words = self.processor.prepare_forced_aligner_inputs(
            [clip.samples for clip in clips], [clip.text for clip in clips]
        )
        with torch.inference_mode():
            logits = self.model(**inputs).logits
        found = self.processor.decode_forced_alignment(
            logits, inputs["input_ids"], words, self.model.config.timestamp_token_id
        )
        return [[TimedWord(word["text"], word["start_time"], word["end_time"]) for word in clip] for clip in found]


def utterances(language: str) -> list[Utterance]:
    """Held-out sentences in random voices."""
    rng = random.Random(SEED)
    drawn = corpus.sentences(NUM_SENTENCES, seed=SEED, held_out=True, draw=DRAWS[language])
    return [speak(sentence.text, VOICES[language](rng), language=language) for sentence in drawn]


def several(said: Sequence[Utterance], rng: random.Random) -> list[Utterance]:
    """Two to six of `said`, of less than LONGEST_S together."""
    chosen = rng.sample(said, rng.randint(*SEVERAL))
    while sum(utterance.duration_s for utterance in chosen) > LONGEST_S:
        chosen.pop()
    return chosen


def errors_ms(aligner: Aligner, clips: Sequence[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Of the starts and of the ends of all words of `clips`."""
    heard: list[TimedWord] = []
    for start in range(0, len(clips), BATCH_SIZE):
        heard += [word for found in aligner.align(clips[start : start + BATCH_SIZE]) for word in found]
    meant = [word for clip in clips for span in clip.spans for word in timed_words(span)]
    pairs = list(zip(heard, meant, strict=True))
    assert all(word.text == other.text for word, other in pairs)
    return (
        np.array([1000 * abs(word.start_s - other.start_s) for word, other in pairs]),
        np.array([1000 * abs(word.end_s - other.end_s) for word, other in pairs]),
    )


def facts(aligner: Aligner, clips: Sequence[Clip]) -> dict[str, float]:
    starts, ends = errors_ms(aligner, clips)
    both = np.concatenate([starts, ends])
    return {
        "clips": len(clips),
        "words": len(starts),
        "start_error_mean_ms": round(float(starts.mean()), 1),
        "end_error_mean_ms": round(float(ends.mean()), 1),
        "error_median_ms": round(float(np.median(both)), 1),
        "within_100_ms": round(float((both <= CLOSE_MS).mean()), 4),
    }


def measure(aligner: Aligner) -> dict[str, Any]:
    """Clean sentences, several of them in a clip, and sentences recorded as the training's: noise, telephone, MP3."""
    quality: dict[str, Any] = {"sentences": {}, "several_sentences": {}, "recorded": {}}
    for language in DRAWS:
        said, rng = utterances(language), random.Random(SEED)
        quality["sentences"][language] = facts(aligner, [quiet_clip([one], rng) for one in said])
        long = [quiet_clip(several(said, rng), rng) for _ in range(NUM_SEVERAL)]
        quality["several_sentences"][language] = facts(aligner, long)
        quality["recorded"][language] = facts(aligner, [speech_clip([one], rng) for one in said])
    return quality


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKPOINT
    quality = measure(Aligner(folder))
    print(json.dumps(quality, indent=2))
    if folder == CHECKPOINT:
        manifest.record("aligner", quality=quality)


if __name__ == "__main__":
    main()
