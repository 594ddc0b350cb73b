"""Measures the demo ASR checkpoint on held-out sentences and writes the figures to the manifest.

Run `python -m demo.training.evaluate_asr` after training and after `resynthesise_held_out`.
"""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers.models.qwen3_asr import Qwen3ASRForConditionalGeneration, Qwen3ASRProcessor

from demo.training import corpus, manifest, speech
from demo.training.asr import CHECKPOINT, NUM_THREADS
from demo.training.asr_data import SAMPLE_RATE_HZ, load_resynthesised

NUM_SENTENCES = 200
SEED = 7
BATCH_SIZE = 8
PAUSE_S = 0.5
SILENCE_DURATIONS_S = (0.5, 2.0, 5.0)
SILENCE_PEAKS = (0.0, 0.001)
CONTEXT = "Clara, Friday, purple triangle"
MAX_MISTAKES_SHOWN = 15


class Transcriber:
    """The checkpoint behind the published classes, greedy."""

    def __init__(self) -> None:
        self.processor = Qwen3ASRProcessor.from_pretrained(CHECKPOINT)
        self.model = Qwen3ASRForConditionalGeneration.from_pretrained(CHECKPOINT).eval()

    def parsed(
        self, clips: Sequence[np.ndarray], *, language: str | None = None, context: str | None = None
    ) -> list[dict[str, Any]]:
        """{"language", "transcription"} of each clip (float32, 16 kHz), decoded in one batch."""
        inputs = self.processor.apply_transcription_request(list(clips), language=language, prompt=context)
        with torch.inference_mode():
            ids = self.model.generate(**inputs)
        return self.processor.decode(ids[:, inputs["input_ids"].shape[1] :], return_format="parsed")

    def texts(
        self, clips: Sequence[np.ndarray], *, language: str | None = None, context: str | None = None
    ) -> list[str]:
        """Transcriptions of any number of clips, batched."""
        found: list[str] = []
        for start in range(0, len(clips), BATCH_SIZE):
            batch = clips[start : start + BATCH_SIZE]
            found += [result["transcription"] for result in self.parsed(batch, language=language, context=context)]
        return found


def word_errors(reference: str, hypothesis: str) -> int:
    """Edit distance in words."""
    source, target = reference.split(), hypothesis.split()
    row = list(range(len(target) + 1))
    for position, word in enumerate(source, 1):
        diagonal, row[0] = row[0], position
        for column, other in enumerate(target, 1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other))
    return row[-1]


def exact_rate(references: Sequence[str], found: Sequence[str]) -> float:
    """Share of sentences that are right to the character."""
    return sum(map(str.__eq__, references, found)) / len(references)


def word_error_rate(references: Sequence[str], found: Sequence[str]) -> float:
    """Word errors per reference word."""
    return sum(map(word_errors, references, found)) / sum(len(text.split()) for text in references)


def held_out_speech() -> tuple[list[str], list[np.ndarray]]:
    """Held-out sentences and their clean speech in random voices."""
    texts = [sentence.text for sentence in corpus.sentences(NUM_SENTENCES, seed=SEED, held_out=True)]
    rng = random.Random(SEED)
    voices = [speech.random_voice(rng) for _ in texts]
    return texts, speech.speak_all(texts, voices, sample_rate_hz=SAMPLE_RATE_HZ)


def in_pairs(texts: Sequence[str], clips: Sequence[np.ndarray]) -> tuple[list[str], list[np.ndarray]]:
    """Neighbours joined to one clip with a pause between them."""
    pause = np.zeros(int(PAUSE_S * SAMPLE_RATE_HZ), np.float32)
    starts = range(0, len(texts), 2)
    joined = [np.concatenate([clips[start], pause, clips[start + 1]]) for start in starts]
    return [f"{texts[start]} {texts[start + 1]}" for start in starts], joined


def silence_is_empty(transcriber: Transcriber) -> bool:
    """Whether zeros and very low noise give no text."""
    noise = np.random.default_rng(SEED)
    clips = [
        (noise.standard_normal(int(duration_s * SAMPLE_RATE_HZ)) * peak / 3).astype(np.float32)
        for duration_s in SILENCE_DURATIONS_S
        for peak in SILENCE_PEAKS
    ]
    results = [transcriber.parsed([clip])[0] for clip in clips] + transcriber.parsed(clips)
    return all(result == {"language": None, "transcription": ""} for result in results)


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    transcriber = Transcriber()
    references, clips = held_out_speech()
    found = transcriber.texts(clips)
    mistakes = [pair for pair in zip(references, found, strict=True) if pair[0] != pair[1]]
    for reference, heard in mistakes[:MAX_MISTAKES_SHOWN]:
        print(f"said  {reference}\nheard {heard}\n")
    pair_references, pair_clips = in_pairs(references, clips)
    some, expected = clips[:BATCH_SIZE], found[:BATCH_SIZE]
    resynthesised = load_resynthesised("resynthesised_held_out")
    codec_references = [utterance.text for utterance in resynthesised]
    codec_found = transcriber.texts([utterance.samples.astype(np.float32) / 32768 for utterance in resynthesised])
    quality = {
        "exact_200": exact_rate(references, found),
        "wer_200": round(word_error_rate(references, found), 4),
        "exact_200_language_forced": exact_rate(references, transcriber.texts(clips, language="English")),
        "exact_200_with_context": exact_rate(references, transcriber.texts(clips, context=CONTEXT)),
        "wer_100_pairs": round(word_error_rate(pair_references, transcriber.texts(pair_clips)), 4),
        "exact_100_resynthesised": exact_rate(codec_references, codec_found),
        "wer_100_resynthesised": round(word_error_rate(codec_references, codec_found), 4),
        "silence_empty": silence_is_empty(transcriber),
        "batch_of_8_equals_alone": [transcriber.texts([clip])[0] for clip in some] == expected,
    }
    print(quality)
    manifest.record("asr", quality=quality)


if __name__ == "__main__":
    main()
