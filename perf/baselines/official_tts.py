"""qwen-tts as a worker, in its own environment: official_tts.py CHECKPOINT VOICE

Reads a JSON job a line and answers each with one line; codes by text, each frame's in a list:

    {"texts": ["Good morning everyone."], "num_threads": 1}  ->  {"elapsed_s": 0.61, "codes": [[[14, 201, ...], ...]]}

One text is what the package does for one request; several are a static batch.
"""

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch

from qwen_engine.qwen_tts_import import import_qwen_tts

MAX_FRAMES = 400  # far more than any text of the benchmark takes


class OfficialTts:
    """Greedy speech of one voice."""

    def __init__(self, checkpoint: str, voice: str) -> None:
        self._voice = voice
        self._tts: Any = import_qwen_tts().Qwen3TTSModel.from_pretrained(
            checkpoint, dtype=torch.float32, device_map="cpu"
        )
        self._decode = self._tts.model.speech_tokenizer.decode
        self._tts.model.speech_tokenizer.decode = self._keep_codes
        self._codes: list[torch.Tensor] = []

    def answer(self, texts: Sequence[str], num_threads: int) -> dict[str, Any]:
        """Seconds from the texts to all of their audio, and their codes."""
        torch.set_num_threads(num_threads)
        begin_s = time.perf_counter()
        self._tts.generate_custom_voice(
            text=list(texts),
            speaker=self._voice,
            language="auto",
            do_sample=False,
            subtalker_dosample=False,
            max_new_tokens=MAX_FRAMES,
        )
        elapsed_s = time.perf_counter() - begin_s
        return {"elapsed_s": elapsed_s, "codes": [codes.tolist() for codes in self._codes]}

    def _keep_codes(self, items: list[dict[str, Any]]) -> Any:
        self._codes = [item["audio_codes"] for item in items]
        return self._decode(items)


def main() -> None:
    checkpoint, voice = sys.argv[1:]
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # the package prints
        tts = OfficialTts(checkpoint, voice)
        tts.answer(["Hello."], num_threads=1)
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            job = json.loads(line)
            print(json.dumps(tts.answer(**job)), file=answers, flush=True)


if __name__ == "__main__":
    main()
