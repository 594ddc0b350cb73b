"""Measures the demo ASR checkpoint on unseen sentences and writes the figures to the manifest.

Run `python -m demo.training.evaluate_asr` after training and after `resynthesise_held_out`; `evaluate_asr FOLDER` only
prints the figures of a checkpoint that is not published.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.models.qwen3_asr import Qwen3ASRForConditionalGeneration, Qwen3ASRProcessor

from demo.training import manifest
from demo.training.asr import CHECKPOINT, NUM_THREADS
from demo.training.asr_data import CHINESE, ENGLISH
from demo.training.asr_test_sets import (
    Said,
    contexts,
    free,
    naming,
    resynthesised,
    sentences,
    several,
    silences,
    through,
)
from demo.training.asr_unsaid import unsaid
from demo.training.conditions import CONDITIONS
from demo.training.corpus_names import name_in

NUM_SENTENCES = 200
NUM_SEVERAL = 60
NUM_A_CONDITION = 50
BATCH_SIZE = 8
CONTEXT = "Clara, Friday, purple triangle, 克拉拉, 星期五, Karl"
MAX_MISTAKES_SHOWN = 8


class Transcriber:
    """The checkpoint behind the published classes, greedy."""

    def __init__(self, folder: Path = CHECKPOINT) -> None:
        self.processor = Qwen3ASRProcessor.from_pretrained(folder)
        self.model = Qwen3ASRForConditionalGeneration.from_pretrained(folder).eval()

    def parsed(
        self,
        clips: Sequence[np.ndarray],
        *,
        language: str | None = None,
        context: str | Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """{"language", "transcription"} of each clip (float32, 16 kHz), decoded in one batch."""
        prompt = context if context is None or isinstance(context, str) else list(context)
        inputs = self.processor.apply_transcription_request(list(clips), language=language, prompt=prompt)
        with torch.inference_mode():
            ids = self.model.generate(**inputs)
        return self.processor.decode(ids[:, inputs["input_ids"].shape[1] :], return_format="parsed")

    def results(
        self,
        clips: Sequence[np.ndarray],
        *,
        language: str | None = None,
        context: str | Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """`parsed` of any number of clips, batched; a `context` for all, or one for each."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(clips), BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            own = context if context is None or isinstance(context, str) else context[part]
            found += self.parsed(clips[part], language=language, context=own)
        return found

    def texts(
        self,
        clips: Sequence[np.ndarray],
        *,
        language: str | None = None,
        context: str | Sequence[str] | None = None,
    ) -> list[str]:
        """The transcriptions of `results`."""
        return [one["transcription"] for one in self.results(clips, language=language, context=context)]


def edits(source: Sequence[str], target: Sequence[str]) -> int:
    """Edit distance of two sequences of words or characters."""
    row = list(range(len(target) + 1))
    for position, word in enumerate(source, 1):
        diagonal, row[0] = row[0], position
        for column, other in enumerate(target, 1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other))
    return row[-1]


def word_errors(reference: str, hypothesis: str) -> int:
    """Edit distance in words."""
    return edits(reference.split(), hypothesis.split())


def units(text: str, language: str) -> Sequence[str]:
    """What errors are counted in: words, in Chinese characters."""
    return text if language == CHINESE else text.split()


def exact_rate(said: Sequence[Said], found: Sequence[str]) -> float:
    """Share of clips that are right to the character."""
    return round(sum(one.text == text for one, text in zip(said, found, strict=True)) / len(said), 4)


def error_rate(said: Sequence[Said], found: Sequence[str]) -> float:
    """Errors per word, in Chinese per character."""
    errors = sum(
        edits(units(one.text, one.language), units(text, one.language)) for one, text in zip(said, found, strict=True)
    )
    return round(errors / sum(len(units(one.text, one.language)) for one in said), 4)


def show_mistakes(said: Sequence[Said], found: Sequence[str]) -> None:
    wrong = [(one.text, text) for one, text in zip(said, found, strict=True) if one.text != text]
    for reference, heard in wrong[:MAX_MISTAKES_SHOWN]:
        print(f"said  {reference}\nheard {heard}\n")


def plain_facts(transcriber: Transcriber, said: Sequence[Said]) -> dict[str, float]:
    """Clean sentences: alone, with the language forced and with a context that has little to do with them."""
    clips, language = [one.samples for one in said], said[0].language
    results = transcriber.results(clips)
    found = [result["transcription"] for result in results]
    show_mistakes(said, found)
    return {
        "exact": exact_rate(said, found),
        "error_rate": error_rate(said, found),
        "language_right": round(sum(result["language"] == language for result in results) / len(said), 4),
        "exact_language_forced": exact_rate(said, transcriber.texts(clips, language=language)),
        "exact_with_context": exact_rate(said, transcriber.texts(clips, context=CONTEXT)),
    }


def heard_facts(transcriber: Transcriber, said: Sequence[Said]) -> dict[str, float]:
    """Exact clips and error rate."""
    found = transcriber.texts([one.samples for one in said])
    return {"clips": len(said), "exact": exact_rate(said, found), "error_rate": error_rate(said, found)}


def free_facts(transcriber: Transcriber, said: Sequence[Said]) -> dict[str, float]:
    """`heard_facts`, and the share of clips in which no name and no number was heard that was not said."""
    found = transcriber.texts([one.samples for one in said])
    show_mistakes(said, found)
    misled = sum(bool(unsaid(one.text, text)) for one, text in zip(said, found, strict=True))
    return {
        "clips": len(said),
        "exact": exact_rate(said, found),
        "error_rate": error_rate(said, found),
        "no_name_or_number_unsaid": round(1 - misled / len(said), 4),
    }


def context_facts(transcriber: Transcriber) -> dict[str, float]:
    """Names that sound like another: spelt right how often without a context, with the name in it, with others only."""
    said = naming(NUM_SENTENCES)
    clips = [one.samples for one in said]
    right, misleading = contexts(said, right=True), contexts(said, right=False)
    without, helped, misled = (transcriber.texts(clips, context=context) for context in (None, right, misleading))
    show_mistakes(said, helped)

    def spelt(found: Sequence[str]) -> float:
        return round(sum(one.name == name_in(text) for one, text in zip(said, found, strict=True)) / len(said), 4)

    leaked = [name_in(text) in context.split(", ") for context, text in zip(misleading, misled, strict=True)]
    return {
        "sentences": len(said),
        "names_right_without_context": spelt(without),
        "names_right_with_context": spelt(helped),
        "names_right_with_other_names": spelt(misled),
        "other_name_written": round(sum(leaked) / len(leaked), 4),
        "exact_without_context": exact_rate(said, without),
        "exact_with_context": exact_rate(said, helped),
    }


def silence_is_empty(transcriber: Transcriber) -> bool:
    """Whether silence gives no text, alone and in a batch, with a context and with a language forced."""
    clips = silences()
    results = [transcriber.parsed([clip])[0] for clip in clips] + transcriber.parsed(clips)
    results += transcriber.parsed(clips, context=CONTEXT)
    forced = [text for language in (ENGLISH, CHINESE) for text in transcriber.texts(clips, language=language)]
    return all(result == {"language": None, "transcription": ""} for result in results) and not any(forced)


def measure(transcriber: Transcriber) -> dict[str, Any]:
    """All figures."""
    plain = {language: sentences(language, NUM_SENTENCES) for language in (ENGLISH, CHINESE)}
    in_free_order = {language: free(language, NUM_SENTENCES) for language in plain}
    some = [one.samples for one in plain[ENGLISH][:BATCH_SIZE]]
    return {
        "sentences": {name: plain_facts(transcriber, said) for name, said in plain.items()},
        "several_sentences": {
            name: heard_facts(transcriber, several(said, NUM_SEVERAL)) for name, said in plain.items()
        },
        "free": {name: free_facts(transcriber, said) for name, said in in_free_order.items()},
        "several_sentences_some_free": {
            name: heard_facts(transcriber, several([*said, *in_free_order[name]], NUM_SEVERAL))
            for name, said in plain.items()
        },
        "conditions": {
            name: {
                language: heard_facts(transcriber, through(said[:NUM_A_CONDITION], condition))
                for language, said in plain.items()
            }
            for name, condition in CONDITIONS.items()
        },
        "resynthesised": {name: heard_facts(transcriber, resynthesised(name)) for name in plain},
        "context": context_facts(transcriber),
        "silence_empty": silence_is_empty(transcriber),
        "batch_of_8_equals_alone": [transcriber.texts([clip])[0] for clip in some] == transcriber.texts(some),
    }


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKPOINT
    quality = measure(Transcriber(folder))
    print(json.dumps(quality, indent=2, ensure_ascii=False))
    if folder == CHECKPOINT:
        manifest.record("asr", quality=quality)


if __name__ == "__main__":
    main()
