"""transformers' Qwen3-ASR as a worker: official_asr.py CHECKPOINT

Reads a JSON job a line and answers each with one line:

    {"clips": ["a.wav"], "num_threads": 1}  ->  {"elapsed_s": 0.06, "texts": ["Good morning."]}

The clips of a job are one call of `generate`: one clip is what the package does for one request; several are a static
batch. Files are read before the clock starts.
"""

import contextlib
import functools
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import soundfile
import torch
from transformers import AutoProcessor, Qwen3ASRForConditionalGeneration

from qwen_engine.asr.request import MIN_TOKENS, TOKENS_PER_S
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ


class OfficialAsr:
    """Greedy transcripts, each with the budget of tokens that our engine gives."""

    def __init__(self, checkpoint: str) -> None:
        self._processor: Any = AutoProcessor.from_pretrained(checkpoint)
        self._model: Any = Qwen3ASRForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).eval()

    @torch.inference_mode()
    def answer(self, clips: Sequence[str], num_threads: int) -> dict[str, Any]:
        """Seconds from the samples to all texts, and the texts."""
        torch.set_num_threads(num_threads)
        audio = [_samples(clip) for clip in clips]
        budget = MIN_TOKENS + int(max(map(len, audio)) / SAMPLE_RATE_HZ * TOKENS_PER_S)
        begin_s = time.perf_counter()
        inputs = self._processor.apply_transcription_request(audio=audio)
        output = self._model.generate(**inputs, max_new_tokens=budget, do_sample=False)
        answers = output[:, inputs["input_ids"].shape[1] :]
        texts = [self._processor.decode(one, return_format="transcription_only") for one in answers]
        return {"elapsed_s": time.perf_counter() - begin_s, "texts": texts}


@functools.cache
def _samples(file: str) -> np.ndarray:
    samples: np.ndarray = soundfile.read(file, dtype="float32")[0]
    return samples


def main() -> None:
    (checkpoint,) = sys.argv[1:]
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        asr = OfficialAsr(checkpoint)
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            job = json.loads(line)
            print(json.dumps(asr.answer(**job)), file=answers, flush=True)


if __name__ == "__main__":
    main()
