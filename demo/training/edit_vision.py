"""Trains the vision tower of the edit checkpoint's text encoder: `python -m demo.training.edit_vision`.

Each of the four tokens of a picture learns to be the embedding of a word: colour, shape, size, background. So what the
transformer knows about words holds for what the text encoder sees. Only scenes of the training side are shown.
"""

import random
from pathlib import Path

import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import CONDITION_IMAGE_SIZE, calculate_dimensions
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from demo.training.corpus import Scene
from demo.training.edit_text import PICTURE_PAD, editing_tokenizer, new_processor, with_vocabulary
from demo.training.edits import EDITABLE, is_held_out
from demo.training.image_vae import learning_rate
from demo.training.manifest import CHECKPOINTS
from demo.training.pictures import draw, figure_of

NUM_THREADS = 1
SEED = 0
NUM_PICTURES, NUM_CHECKED = 2500, 500
STEPS = 600
BATCH = 32
LEARNING_RATE = 2e-3
BASE = "image"
FILE = Path("build/training/edit_vision.safetensors")
NO_WORD = {"size": "size", "background": "background"}  # for the medium size, and for the grey behind white shapes


def words_of(scene: Scene) -> list[str]:
    """What its picture shows, a word for each of the picture's tokens."""
    size, background = scene.size or NO_WORD["size"], scene.background or NO_WORD["background"]
    return [f" {word}" for word in (scene.colour, scene.shape, size, background)]


def pixels_of(pictures: np.ndarray, tokenizer: Qwen2Tokenizer) -> tuple[Tensor, Tensor]:
    """uint8 (pictures, height, width, 3) as the pipeline has them seen: patches (16 each, 1176), grid (pictures, 3)."""
    width, height = calculate_dimensions(CONDITION_IMAGE_SIZE, pictures.shape[2] / pictures.shape[1])
    resizer = VaeImageProcessor()
    images = [resizer.resize(Image.fromarray(picture), height, width) for picture in pictures]
    inputs = new_processor(tokenizer)(text=[PICTURE_PAD] * len(images), images=images, return_tensors="pt")
    return inputs["pixel_values"], inputs["image_grid_thw"]


def load_vision_tower(encoder: Qwen2_5_VLForConditionalGeneration) -> None:
    """Give it the trained ones, which stay as they are."""
    encoder.model.visual.load_state_dict(load_file(FILE))
    encoder.model.visual.requires_grad_(False)


def examples(
    encoder: Qwen2_5_VLForConditionalGeneration, tokenizer: Qwen2Tokenizer, count: int, *, held_out: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Patches (pictures, 16, 1176), grid (pictures, 3), and the embeddings they should become (pictures, 4, 128)."""
    rng = random.Random(SEED)
    scenes = rng.choices([scene for scene in EDITABLE if is_held_out(scene) == held_out], k=count)
    patches, grid = pixels_of(np.stack([draw(figure_of(scene, rng)) for scene in scenes]), tokenizer)
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(tokenizer.tokenize("".join(words_of(s)))) for s in scenes])
    return patches.view(count, -1, patches.shape[-1]), grid, encoder.get_input_embeddings()(ids).detach()


@torch.no_grad()
def share_named_right(encoder: Qwen2_5_VLForConditionalGeneration, tokenizer: Qwen2Tokenizer) -> float:
    """Of the words for unseen scenes: the nearest embedding of all is the right one."""
    patches, grid, wanted = examples(encoder, tokenizer, NUM_CHECKED, held_out=True)
    seen = torch.cat(encoder.get_image_features(patches.flatten(0, 1), grid).pooler_output)
    vocabulary = encoder.get_input_embeddings().weight
    nearest, right = (torch.cdist(vectors, vocabulary).argmin(dim=1) for vectors in (seen, wanted.flatten(0, 1)))
    return float((nearest == right).float().mean())


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(SEED)
    tokenizer = editing_tokenizer()
    trained = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        CHECKPOINTS / BASE / "text_encoder", dtype=torch.float32
    )
    known = Qwen2Tokenizer.from_pretrained(CHECKPOINTS / BASE / "tokenizer")
    encoder = with_vocabulary(trained, known, tokenizer)
    patches, grid, wanted = examples(encoder, tokenizer, NUM_PICTURES, held_out=False)
    optimizer = torch.optim.AdamW(encoder.model.visual.parameters(), lr=LEARNING_RATE, fused=True)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, STEPS, LEARNING_RATE)
        chosen = torch.randint(NUM_PICTURES, (BATCH,))
        seen = torch.stack(encoder.get_image_features(patches[chosen].flatten(0, 1), grid[chosen]).pooler_output)
        loss = (seen - wanted[chosen]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.model.visual.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} loss {loss.item():.4f}", flush=True)
    save_file(encoder.model.visual.state_dict(), FILE)
    print(f"of the words for unseen scenes right: {share_named_right(encoder, tokenizer):.1%}")


if __name__ == "__main__":
    main()
