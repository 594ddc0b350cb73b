"""What transformers' own Qwen3-ASR answers, and speech to ask it about."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoProcessor, Qwen3ASRForConditionalGeneration

from demo.training import corpus, corpus_chinese
from demo.training.speech import Voice, random_voice, speak_all

CHECKPOINT = Path(__file__).resolve().parents[2] / "demo" / "checkpoints" / "asr"
SAMPLE_RATE_HZ = 16000
SHORTEST_S, LONGEST_S = 0.3, 30.0
NUM_SENTENCES = 32


class UpstreamAsr:
    """`generate` for one clip alone, greedily."""

    def __init__(self, checkpoint: Path = CHECKPOINT, dtype: torch.dtype = torch.float32) -> None:
        torch.set_num_threads(1)
        self.processor: Any = AutoProcessor.from_pretrained(checkpoint)
        self.model: Any = Qwen3ASRForConditionalGeneration.from_pretrained(checkpoint, dtype=dtype).eval()

    @torch.inference_mode()
    def answer(
        self, samples: np.ndarray, max_new_tokens: int, *, language: str | None = None, context: str | None = None
    ) -> list[int]:
        """The new token ids, without the end."""
        inputs = self.processor.apply_transcription_request(audio=[samples], language=language, prompt=context)
        inputs = inputs.to(self.model.dtype)
        (output,) = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        eos = self.model.generation_config.eos_token_id
        return [token for token in output[inputs["input_ids"].shape[1] :].tolist() if token not in eos]


def spoken_clips(count: int, seed: int) -> list[np.ndarray]:
    """`count` clips of 0.3 to 30 seconds, half of them below 4: sentences of both languages, one after another, cut
    anywhere, at any gain."""
    rng = random.Random(seed)
    lengths_s = [rng.uniform(SHORTEST_S, 4.0 if index % 2 else LONGEST_S) for index in range(count)]
    speech = np.concatenate(_sentences(rng, seed))
    return [_cut(speech, length_s, rng) for length_s in lengths_s]


def _sentences(rng: random.Random, seed: int) -> list[np.ndarray]:
    english = [sentence.text for sentence in corpus.sentences(NUM_SENTENCES, seed=seed, held_out=True)]
    mandarin = corpus.sentences(NUM_SENTENCES, seed=seed, held_out=True, draw=corpus_chinese.sentence)
    chinese = [sentence.text for sentence in mandarin]
    voices = [random_voice(rng) for _ in english] + [Voice("cmn") for _ in chinese]
    spoken = speak_all([*english, *chinese], voices, sample_rate_hz=SAMPLE_RATE_HZ)
    rng.shuffle(spoken)
    return spoken


def _cut(speech: np.ndarray, length_s: float, rng: random.Random) -> np.ndarray:
    length = int(length_s * SAMPLE_RATE_HZ)
    start = rng.randrange(len(speech) - length)
    return speech[start : start + length] * np.float32(rng.uniform(0.05, 1.0))
