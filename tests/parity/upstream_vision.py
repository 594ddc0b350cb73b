"""What transformers' own Qwen3-VL answers, and pictures to ask it about."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import Qwen2Tokenizer, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from demo.training.vl_pictures import OTHER_SIDES_PX, PLACES, SQUARE, example, scenes

CHECKPOINT = Path(__file__).resolve().parents[2] / "demo" / "checkpoints" / "vl"
QUESTIONS = ("Describe the picture.", "Where is it?", "What colour is the background?", "请描述这张图片。", "Hm?")


class _Processor(Qwen3VLProcessor):
    """Without its half for videos, which needs torchvision: the base class goes by the parameters' names."""

    def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str | None = None) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)


class UpstreamVision:
    """Processor and `generate`, for one picture alone, greedily."""

    def __init__(self, checkpoint: Path = CHECKPOINT) -> None:
        torch.set_num_threads(1)
        tokenizer = Qwen2Tokenizer.from_pretrained(checkpoint)
        template = (checkpoint / "chat_template.jinja").read_text()
        self._processor = _Processor(Qwen2VLImageProcessorPil.from_pretrained(checkpoint), tokenizer, template)
        self._model = Qwen3VLForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).eval()

    def inputs(self, picture: Image.Image, question: str) -> Any:
        """By the checkpoint's own chat template."""
        return self._inputs([("user", [picture, question])])

    def _inputs(self, turns: Sequence[tuple[str, list[Any]]]) -> Any:
        return self._processor.apply_chat_template(
            [{"role": role, "content": [_part(part) for part in parts]} for role, parts in turns],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )

    def answer(self, picture: Image.Image, question: str, max_new_tokens: int) -> str:
        return self.converse([("user", [picture, question])], max_new_tokens)

    @torch.inference_mode()
    def converse(self, turns: Sequence[tuple[str, list[Any]]], max_new_tokens: int) -> str:
        """The answer to a conversation: roles, and texts and pictures in order."""
        inputs = self._inputs(turns)
        (told,) = self._model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        new = told[inputs["input_ids"].shape[1] :]
        return str(self._processor.decode(new, skip_special_tokens=True)).strip()


def _part(part: str | Image.Image) -> dict[str, Any]:
    return {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "image": part}


def pictures(count: int, seed: int) -> list[Image.Image]:
    """Unseen scenes anywhere, on canvases of five shapes, some of them enlarged."""
    rng = random.Random(seed)
    drawn = []
    for scene in rng.sample(scenes(held_out=True), count):
        sides_px = rng.choice((SQUARE, *OTHER_SIDES_PX))
        picture = Image.fromarray(np.array(example(scene, rng.choice(tuple(PLACES)), rng, sides_px=sides_px).pixels))
        drawn.append(picture.resize([side * rng.choice((1, 1, 3)) for side in sides_px]))
    return drawn
