"""diffusers' QwenImagePipeline as a worker: official_image.py CHECKPOINT TRUE_CFG_SCALE

Reads a JSON job a line and answers each with one line:

    {"prompts": ["A red ring."], "seeds": [0], "side_px": 64, "steps": 4, "num_threads": 1}
    ->  {"elapsed_s": 0.06, "pngs": ["iVBOR..."]}

One prompt is what the pipeline does for one request; several are a static batch. The files are written after the clock
has stopped.
"""

import base64
import contextlib
import io
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import QwenImagePipeline
from PIL.Image import Image


class OfficialImage:
    """Every picture has a generator of its own: it is the same in a batch as alone."""

    def __init__(self, checkpoint: str, true_cfg_scale: float) -> None:
        self._pipeline: Any = QwenImagePipeline.from_pretrained(checkpoint, dtype=torch.float32)
        self._pipeline.set_progress_bar_config(disable=True)
        self._true_cfg_scale = true_cfg_scale

    @torch.inference_mode()
    def answer(
        self, prompts: Sequence[str], seeds: Sequence[int], side_px: int, steps: int, num_threads: int
    ) -> dict[str, Any]:
        """Seconds from the prompts to all pictures, and the pictures."""
        torch.set_num_threads(num_threads)
        begin_s = time.perf_counter()
        images = self._pipeline(
            prompt=list(prompts),
            negative_prompt=[" "] * len(prompts) if self._true_cfg_scale > 1 else None,
            true_cfg_scale=self._true_cfg_scale,
            width=side_px,
            height=side_px,
            num_inference_steps=steps,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        ).images
        return {"elapsed_s": time.perf_counter() - begin_s, "pngs": [_png(image) for image in images]}


def _png(image: Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    checkpoint, true_cfg_scale = sys.argv[1:]
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        pipeline = OfficialImage(checkpoint, float(true_cfg_scale))
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            job = json.loads(line)
            print(json.dumps(pipeline.answer(**job)), file=answers, flush=True)


if __name__ == "__main__":
    main()
