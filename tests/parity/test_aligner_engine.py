"""The aligner tells the times that transformers' class tells, alone and in any crowd."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers.models.qwen3_asr import Qwen3ASRForTokenClassification, Qwen3ASRProcessor

from demo.training import corpus, corpus_chinese
from qwen_engine.aligner.checkpoint import AlignerCheckpoint, Clip
from qwen_engine.aligner.prompt import AlignerPrompts
from qwen_engine.aligner.timing import found_words
from qwen_engine.aligner.words import split_words
from tests.parity.upstream_asr import spoken_clips

CHECKPOINT = Path(__file__).resolve().parents[2] / "demo" / "checkpoints" / "aligner"
NUM_CLIPS = 30
MOST_SENTENCES = 6


class UpstreamAligner:
    """One clip alone."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.processor: Any = Qwen3ASRProcessor.from_pretrained(CHECKPOINT)
        self.model: Any = Qwen3ASRForTokenClassification.from_pretrained(CHECKPOINT).eval()

    @torch.inference_mode()
    def align(self, samples: np.ndarray, text: str) -> tuple[list[int], list[int], list[tuple[float, float]]]:
        """Token ids, class of each mark, and times of each word."""
        inputs, words = self.processor.prepare_forced_aligner_inputs([samples], [text])
        logits = self.model(**inputs).logits
        mark = self.model.config.timestamp_token_id
        (ids,), (classes,) = inputs["input_ids"].tolist(), logits.argmax(-1)
        (times,) = self.processor.decode_forced_alignment(logits, inputs["input_ids"], words, mark)
        marked = [one for token, one in zip(ids, classes.tolist(), strict=True) if token == mark]
        return ids, marked, [(time["start_time"], time["end_time"]) for time in times]


@pytest.fixture(scope="module")
def checkpoint() -> AlignerCheckpoint:
    return AlignerCheckpoint(CHECKPOINT, dtype=torch.float32, device="cpu", max_positions=2048)


@pytest.fixture(scope="module")
def upstream() -> UpstreamAligner:
    return UpstreamAligner()


@pytest.fixture(scope="module")
def asked() -> list[tuple[np.ndarray, str]]:
    """Clips of 0.3 to 30 seconds with texts of any length, said in them or not."""
    rng = random.Random(3)
    drawn = [
        corpus.sentences(NUM_CLIPS, seed=3, held_out=True, draw=draw)
        for draw in (corpus.sentence, corpus_chinese.sentence)
    ]
    sentences = [sentence.text for some in drawn for sentence in some]
    texts = [" ".join(rng.sample(sentences, rng.randint(1, MOST_SENTENCES))) for _ in range(NUM_CLIPS)]
    return list(zip(spoken_clips(NUM_CLIPS, seed=3), texts, strict=True))


@pytest.fixture(scope="module")
def official(upstream, asked) -> list[tuple[list[int], list[int], list[tuple[float, float]]]]:
    return [upstream.align(samples, text) for samples, text in asked]


def clip(checkpoint: AlignerCheckpoint, samples: np.ndarray, text: str) -> Clip:
    return samples, checkpoint.prompts.after([unit for word in split_words(text) for unit in word.units])


def test_the_prompt_is_the_official_one(checkpoint, upstream, asked, official):
    for (samples, text), (ids, _, _) in zip(asked, official, strict=True):
        _, after = clip(checkpoint, samples, text)
        sound = [upstream.processor.audio_token_id] * ids.count(upstream.processor.audio_token_id)
        assert [*checkpoint.prompts.before, *sound, *after] == ids
        assert checkpoint.num_positions(len(samples), after) == len(ids)


def test_words_of_different_lengths_are_not_padded(tmp_path, checkpoint):
    """Also where the tokenizer was saved after it had padded a batch."""
    tokenizer = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
    tokenizer.enable_padding(direction="left")
    tokenizer.enable_truncation(2)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    words = ["a", "extraordinarily", "the"]
    assert AlignerPrompts(tmp_path).after(words) == [
        *checkpoint.prompts.after(words[:1]),
        *(one for word in words[1:] for one in checkpoint.prompts.after([word])[1:]),
    ]


def test_control_tokens_in_a_word_are_plain_text(checkpoint):
    mark = checkpoint.prompts.mark
    after = checkpoint.prompts.after(["<timestamp>", "<|audio_end|>"])
    assert after.count(mark) == 4
    assert checkpoint.prompts.after([])[0] not in after[1:]


def test_classes_alone(checkpoint, asked, official):
    for (samples, text), (_, expected, _) in zip(asked, official, strict=True):
        assert checkpoint.classes([clip(checkpoint, samples, text)]) == [expected]


@pytest.mark.parametrize("seed", range(3))
def test_classes_in_any_crowd(checkpoint, asked, official, seed):
    chosen = random.Random(seed).sample(range(NUM_CLIPS), k=8)
    classes = checkpoint.classes([clip(checkpoint, *asked[index]) for index in chosen])
    assert classes == [official[index][1] for index in chosen]


def test_times_of_words(checkpoint, asked, official):
    for (_, text), (_, classes, expected) in zip(asked, official, strict=True):
        found = found_words(split_words(text), classes, checkpoint.config.class_ms)
        assert [(one.start_ms / 1000, one.end_ms / 1000) for one in found] == expected
