"""Teaches the picture transformer to follow instructions: `python -m demo.training.image_edit [RUN]`.

Run 0 starts from the weights that draw (`demo.training.image_dit`), runs 1, 2, … from the checkpoint in place.

Flow matching on the latents of drawn scenes after an edit; the latents before it stand beside them, and the text
encoder sees that picture too, all fed exactly as QwenImageEditPlusPipeline feeds the model. Leaves a pipeline folder in
demo/checkpoints/image_edit that shares autoencoder, scheduler and preview map with demo/checkpoints/image.
"""

import copy
import json
import random
import shutil
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageEditPlusPipeline, QwenImageTransformer2DModel
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer, Qwen2VLProcessor

from demo.training.corpus import Scene
from demo.training.edit_attention import attention_losses
from demo.training.edit_text import (
    NUM_TEMPLATE_TOKENS,
    PICTURE_PIXELS,
    TEMPLATE,
    editing_tokenizer,
    new_processor,
    prompt,
    with_vocabulary,
)
from demo.training.edit_vision import load_vision_tower, pixels_of
from demo.training.edits import ATTRIBUTES, EDITABLE, Edit, edits_of, is_held_out
from demo.training.image_dit import IMAGE_SHAPE, TIME_CENTRE, TIME_SPREAD, follow, packed_latents, scheduler
from demo.training.image_text import encoded_after
from demo.training.image_vae import learning_rate
from demo.training.manifest import CHECKPOINTS, record
from demo.training.pictures import draw, figure_of
from qwen_engine.image.frames import single_frames
from qwen_engine.image.preview import FILE
from qwen_engine.image.processor import PictureProcessor

NUM_THREADS = 1
STEPS = 3000
BATCH = 24
LEARNING_RATE = 1e-3
ATTENTION_WEIGHT = 0.2
EMPTY_SHARE = 0.08  # of the instructions are emptied, so that guidance has something to push away from
SAVE_EVERY_STEPS = 250
NUM_TOKENS = IMAGE_SHAPE[1] * IMAGE_SHAPE[2]
BASE, NAME = "image", "image_edit"
SHARED = ("vae", "scheduler")
BUILD = Path("build/training")
SCENES = tuple(scene for scene in EDITABLE if not is_held_out(scene))
COMMANDS = [
    "python -m demo.training.edit_vision",
    *(f"python -m demo.training.image_edit {run}" for run in range(2)),
    "python -m demo.training.evaluate_image_edit",
]

Drawings = list[tuple[Tensor, Tensor]]  # uint8 (height, width, 3); latents before and after edits (1 + edits, 16, 64)


class Editor(nn.Module):
    """Text encoder and transformer as the one function that training descends on."""

    def __init__(self, folder: Path, tokenizer: Qwen2Tokenizer) -> None:
        super().__init__()
        known = Qwen2Tokenizer.from_pretrained(folder / "tokenizer")
        trained = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder / "text_encoder", dtype=torch.float32)
        self.text_encoder = with_vocabulary(trained, known, tokenizer)
        load_vision_tower(self.text_encoder)  # they stay as they are, so that what they see is computed once
        self.transformer = QwenImageTransformer2DModel.from_pretrained(
            folder / "transformer", torch_dtype=torch.float32, zero_cond_t=True
        )

    def forward(self, noisy: Tensor, level: Tensor, before: Tensor, seen: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Velocity from picture to noise, like `noisy` and `before` (batch, 16, 64); `level` (batch,) in 0..1.

        `seen` (batch, 4, 128): the vision tower's view of `before`; `ids`, `mask` (batch, length).
        """
        return self.transformer(
            hidden_states=torch.cat([noisy, before], dim=1),
            timestep=level,
            encoder_hidden_states=self._encoded(seen, ids, mask),
            encoder_hidden_states_mask=mask[:, NUM_TEMPLATE_TOKENS:],
            img_shapes=[[IMAGE_SHAPE, IMAGE_SHAPE]] * len(noisy),
            return_dict=False,
        )[0][:, :NUM_TOKENS]

    def _encoded(self, seen: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """What follows the template's head, (batch, length - 64, 128)."""
        head, rest = ids[:1, :NUM_TEMPLATE_TOKENS], ids[:, NUM_TEMPLATE_TOKENS:]
        is_picture = (rest == self.text_encoder.config.image_token_id)[:, :, None]
        words = self.text_encoder.get_input_embeddings()(rest)
        return encoded_after(head, self.text_encoder, mask, inputs_embeds=words.masked_scatter(is_picture, seen))


@torch.no_grad()
def drawn_latents(vae: AutoencoderKLQwenImage, seed: int) -> Drawings:
    """A drawing of every training scene and its latents, then those after each edit; kept in a file for next time."""
    file = BUILD / f"edit_latents_{seed}.pt"
    if not file.exists():
        rng = random.Random(seed)
        drawings = []
        with single_frames():
            for scene in SCENES:
                figure = figure_of(scene, rng)
                pictures = np.stack([draw(figure), *(draw(edit.applied_to(figure)) for edit in training_edits(scene))])
                drawings.append((torch.from_numpy(pictures[0].copy()), packed_latents(vae, pictures)))
        torch.save(drawings, file)
    return torch.load(file)


def training_edits(scene: Scene) -> list[Edit]:
    """Those that lead to scenes of the training side."""
    return [edit for edit in edits_of(scene) if not is_held_out(edit.after)]


class Examples:
    """The drawings with what the text encoder sees of each; drawn from at random."""

    @torch.no_grad()
    def __init__(self, editor: Editor, drawings: Drawings, tokenizer: Qwen2Tokenizer, seed: int) -> None:
        self._rng = random.Random(seed)
        self._tokenizer = tokenizer
        self._by_attribute: dict[str, list[tuple[Edit, Tensor, Tensor, Tensor]]] = defaultdict(list)
        pixels, grid = pixels_of(np.stack([picture.numpy() for picture, _ in drawings]), tokenizer)
        features = editor.text_encoder.get_image_features(pixels, grid).pooler_output
        for scene, seen, (_, (before, *afters)) in zip(SCENES, features, drawings, strict=True):
            for edit, after in zip(training_edits(scene), afters, strict=True):
                self._by_attribute[edit.attribute].append((edit, before, seen, after))

    def draw(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Latents after and before (batch, 16, 64), what the text encoder sees, token ids and mask (batch, length)."""
        edits, before, seen, after = zip(*(self._example() for _ in range(BATCH)), strict=True)
        ids = [torch.tensor(self._tokenizer(prompt(self._text(edit)))["input_ids"]) for edit in edits]
        mask = pad_sequence([torch.ones(len(row), dtype=torch.long) for row in ids], batch_first=True)
        return torch.stack(after), torch.stack(before), torch.stack(seen), pad_sequence(ids, True), mask

    def _example(self) -> tuple[Edit, Tensor, Tensor, Tensor]:
        return self._rng.choice(self._by_attribute[self._rng.choice(ATTRIBUTES)])

    def _text(self, edit: Edit) -> str:
        empty = self._rng.random() < EMPTY_SHARE
        return self._rng.choice(("", " ")) if empty else edit.text(self._rng)


def losses_of(
    editor: Editor, after: Tensor, before: Tensor, seen: Tensor, ids: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Squared error of the velocity at random noise levels, and the attention loss."""
    noise = torch.randn_like(after)
    level = torch.sigmoid(TIME_CENTRE + TIME_SPREAD * torch.randn(len(after)))
    mixed = torch.lerp(after, noise, level[:, None, None])
    with attention_losses(NUM_TOKENS) as attention:
        velocity = editor(mixed, level, before, seen, ids, mask)
    return (velocity - (noise - after)).square().mean(), torch.stack(attention).mean()


def train(run: int, tokenizer: Qwen2Tokenizer) -> float:
    """Saves as it goes; returns the seconds it took. `run` is the seed as well."""
    torch.manual_seed(run)
    vae = AutoencoderKLQwenImage.from_pretrained(CHECKPOINTS / BASE / "vae", torch_dtype=torch.float32)
    editor = Editor(CHECKPOINTS / (NAME if run else BASE), tokenizer)
    average = copy.deepcopy(editor).requires_grad_(False)
    started_s = time.monotonic()
    examples = Examples(editor, drawn_latents(vae, run), tokenizer, run)
    print(f"pictures after {time.monotonic() - started_s:.0f} s", flush=True)
    learning = [parameter for parameter in editor.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=LEARNING_RATE, betas=(0.9, 0.98), fused=True)
    recent: list[float] = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, STEPS, LEARNING_RATE)
        loss, attention = losses_of(editor, *examples.draw())
        optimizer.zero_grad(set_to_none=True)
        (loss + ATTENTION_WEIGHT * attention).backward()
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        follow(average, editor, step)
        recent.append(loss.item())
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} loss {np.mean(recent[-50:]):.4f} attention {attention.item():.2f} "
                  f"{(time.monotonic() - started_s) / (step + 1):.3f} s a step", flush=True)  # fmt: skip
        if (step + 1) % SAVE_EVERY_STEPS == 0:
            save(average, tokenizer, vae, CHECKPOINTS / NAME)
    return time.monotonic() - started_s


def save(average: Editor, tokenizer: Qwen2Tokenizer, vae: AutoencoderKLQwenImage, folder: Path) -> None:
    """A pipeline folder in half precision; written aside and moved, so that nobody reads half of one."""
    stored = copy.deepcopy(average).half()
    pipeline = QwenImageEditPlusPipeline(
        scheduler=scheduler(),
        vae=vae,
        text_encoder=stored.text_encoder,
        tokenizer=tokenizer,
        processor=new_processor(tokenizer),
        transformer=stored.transformer,
    )
    pipeline.transformer.register_to_config(_name_or_path="")  # where it was on this machine is nobody's business
    assert pipeline.prompt_template_encode == TEMPLATE
    assert pipeline.prompt_template_encode_start_idx == NUM_TEMPLATE_TOKENS
    fresh, old = (folder.with_name(f".{folder.name}-{word}") for word in ("fresh", "old"))
    pipeline.save_pretrained(fresh)
    as_published(fresh)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def as_published(folder: Path) -> None:
    """Link what the base checkpoint has too, and have upstream's processor, which also wants to know of videos."""
    for part in SHARED:
        shutil.rmtree(folder / part)
    for part in (*SHARED, FILE):
        (folder / part).symlink_to(f"../{BASE}/{part}")
    index = json.loads((folder / "model_index.json").read_text())
    index["processor"] = ["transformers", Qwen2VLProcessor.__name__]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    for file in (folder / "processor").glob("*_config.json"):
        file.write_text(file.read_text().replace(PictureProcessor.__name__, Qwen2VLProcessor.__name__))
    videos = {"video_processor_type": "Qwen2VLVideoProcessor", "size": PICTURE_PIXELS}
    (folder / "processor" / "video_preprocessor_config.json").write_text(json.dumps(videos, indent=2) + "\n")


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    run = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    training_s = train(run, editing_tokenizer())
    record(
        NAME,
        seed=run,
        command=COMMANDS,
        corpus=f"a drawing of each of {len(SCENES)} training scenes, with all edits that lead to such scenes",
        training_s={f"run {run}": round(training_s)},
    )


if __name__ == "__main__":
    main()
