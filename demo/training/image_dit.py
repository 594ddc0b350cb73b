"""Trains the picture transformer together with its text encoder: `python -m demo.training.image_dit [RUN]`.

Run 0 starts afresh; runs 1, 2, … go on from the checkpoint in place.

Flow matching on the latents of drawn scenes, fed exactly as QwenImagePipeline feeds the model. Needs the
autoencoder of `demo.training.image_vae`; leaves a whole pipeline folder in demo/checkpoints/image.
"""

import copy
import functools
import random
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen2Tokenizer

from demo.training.corpus import Sentence
from demo.training.image_text import (
    HIDDEN,
    NUM_TEMPLATE_TOKENS,
    TEMPLATE,
    drawing_tokenizer,
    encoded_after,
    new_text_encoder,
    spelling,
    training_requests,
)
from demo.training.image_vae import FOLDER as VAE_FOLDER
from demo.training.image_vae import as_input, encode, learning_rate, training_scenes
from demo.training.manifest import CHECKPOINTS, record
from demo.training.pictures import SIDE_PX, draw, figure_of
from qwen_engine.image.frames import single_frames

NUM_THREADS = 1
STEPS = 3000
BATCH = 24
LEARNING_RATE = 1e-3
NUM_REQUESTS = 20_000
PICTURES_PER_SCENE = 6
EMPTY_SHARE = 0.08  # of the requests are emptied, so that guidance has something to push away from
EMPTY = ("", " ")
TIME_CENTRE, TIME_SPREAD = 0.5, 1.2  # of the logit of the noise level; the sampler's own shift is near 0.5
AVERAGE_DECAY = 0.998
SAVE_EVERY_STEPS = 250
LATENT_SIDE = SIDE_PX // 8
IMAGE_SHAPE = (1, LATENT_SIDE // 2, LATENT_SIDE // 2)
NAME = "image"
COMMANDS = [
    *(f"python -m demo.training.image_vae {run}" for run in range(3)),
    *(f"python -m demo.training.image_dit {run}" for run in range(2)),
    "python -m demo.training.image_vae 3",
    "python -m demo.training.evaluate_image",
]

Pictures = dict[str, Tensor]  # phrase of a scene -> packed latents (pictures, tokens, 64)


class Painter(nn.Module):
    """Text encoder and transformer as the one function that training descends on."""

    def __init__(self, tokenizer: Qwen2Tokenizer) -> None:
        super().__init__()
        self.text_encoder = new_text_encoder(tokenizer)
        self.transformer = QwenImageTransformer2DModel(
            in_channels=64,
            out_channels=16,
            num_layers=4,
            attention_head_dim=32,
            num_attention_heads=4,
            joint_attention_dim=HIDDEN,
            axes_dims_rope=(8, 12, 12),
        )
        for block in self.transformer.transformer_blocks:  # every block starts as the identity
            nn.init.zeros_(block.img_mod[1].weight)
            nn.init.zeros_(block.txt_mod[1].weight)

    def forward(self, noisy: Tensor, level: Tensor, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Velocity from picture to noise, like `noisy` (batch, tokens, 64); `level` (batch,) in 0..1."""
        return self.transformer(
            hidden_states=noisy,
            timestep=level,
            encoder_hidden_states=self._encoded(token_ids, mask),
            encoder_hidden_states_mask=mask[:, NUM_TEMPLATE_TOKENS:],
            img_shapes=[[IMAGE_SHAPE]] * len(noisy),
            return_dict=False,
        )[0]

    def _encoded(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """What follows the template's head, (batch, length - 34, 128)."""
        head, rest = token_ids[:1, :NUM_TEMPLATE_TOKENS], token_ids[:, NUM_TEMPLATE_TOKENS:]
        return encoded_after(head, self.text_encoder, mask, input_ids=rest)


@torch.no_grad()
def drawn_latents(vae: AutoencoderKLQwenImage, seed: int) -> Pictures:
    """Several pictures of every training scene, encoded, normalised and packed as the pipeline has them."""
    rng = random.Random(seed)
    pictures = {}
    with single_frames():
        for scene in training_scenes():
            drawn = np.stack([draw(figure_of(scene, rng)) for _ in range(PICTURES_PER_SCENE)])
            pictures[scene.phrase()] = packed_latents(vae, drawn)
    return pictures


@torch.no_grad()
def packed_latents(vae: AutoencoderKLQwenImage, pictures: np.ndarray) -> Tensor:
    """Of uint8 (pictures, height, width, 3): (pictures, tokens, 64). For use within `single_frames`."""
    centre = torch.tensor(vae.config.latents_mean).view(1, 16, 1, 1)
    spread = torch.tensor(vae.config.latents_std).view(1, 16, 1, 1)
    latents = (encode(vae, as_input(pictures))[0][:, :, 0] - centre) / spread
    return QwenImagePipeline._pack_latents(latents.contiguous(), len(latents), 16, LATENT_SIDE, LATENT_SIDE)


class Batches:
    """Draws training batches: packed latents with the token ids that ask for them."""

    def __init__(self, tokenizer: Qwen2Tokenizer, pictures: Pictures, seed: int) -> None:
        self._rng = random.Random(seed)
        self._pictures = pictures
        self._token_ids = functools.cache(lambda text: torch.tensor(tokenizer(TEMPLATE.format(text))["input_ids"]))
        self._requests = training_requests(NUM_REQUESTS, seed)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (batch, tokens, 64), token ids and mask (batch, length)."""
        requests = self._rng.choices(self._requests, k=BATCH)
        token_ids = [self._token_ids(self._text(request)) for request in requests]
        mask = pad_sequence([torch.ones(len(ids), dtype=torch.long) for ids in token_ids], batch_first=True)
        return torch.stack([self._latents(request) for request in requests]), pad_sequence(token_ids, True), mask

    def _text(self, request: Sentence) -> str:
        empty = self._rng.random() < EMPTY_SHARE
        return self._rng.choice(EMPTY) if empty else spelling(request, self._rng)

    def _latents(self, request: Sentence) -> Tensor:
        return self._rng.choice(self._pictures[request.key])


def loss_of(painter: Painter, latents: Tensor, token_ids: Tensor, mask: Tensor) -> Tensor:
    """Squared error of the velocity at random noise levels."""
    noise = torch.randn_like(latents)
    level = torch.sigmoid(TIME_CENTRE + TIME_SPREAD * torch.randn(len(latents)))
    mixed = torch.lerp(latents, noise, level[:, None, None])
    return (painter(mixed, level, token_ids, mask) - (noise - latents)).square().mean()


@torch.no_grad()
def follow(average: nn.Module, painter: nn.Module, step: int) -> None:
    """Move the running average of the weights; it forgets faster early on."""
    decay = min(AVERAGE_DECAY, (step + 1) / (step + 10))
    torch._foreach_lerp_(list(average.parameters()), list(painter.parameters()), 1 - decay)


def train(run: int, tokenizer: Qwen2Tokenizer, vae: AutoencoderKLQwenImage) -> float:
    """Saves as it goes; returns the seconds it took. `run` is the seed as well."""
    torch.manual_seed(run)
    painter = Painter(tokenizer)
    if run:
        load(painter, CHECKPOINTS / NAME)
    average = copy.deepcopy(painter).requires_grad_(False)
    started_s = time.monotonic()
    batches = Batches(tokenizer, drawn_latents(vae, run), run)
    print(f"pictures after {time.monotonic() - started_s:.0f} s", flush=True)
    optimizer = torch.optim.AdamW(painter.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), fused=True)
    recent: list[float] = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, STEPS, LEARNING_RATE)
        loss = loss_of(painter, *batches.draw())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(painter.parameters(), 1.0)
        optimizer.step()
        follow(average, painter, step)
        recent.append(loss.item())
        if (step + 1) % 50 == 0:
            print(f"step {step + 1} loss {np.mean(recent[-50:]):.4f} "
                  f"{(time.monotonic() - started_s) / (step + 1):.3f} s a step", flush=True)  # fmt: skip
        if (step + 1) % SAVE_EVERY_STEPS == 0:
            save(average, tokenizer, vae, CHECKPOINTS / NAME)
    return time.monotonic() - started_s


def load(painter: Painter, folder: Path) -> None:
    """Take over the weights of a saved pipeline."""
    trained = QwenImagePipeline.from_pretrained(folder, dtype=torch.float32)
    painter.text_encoder.load_state_dict(trained.text_encoder.state_dict())
    painter.transformer.load_state_dict(trained.transformer.state_dict())


def save(average: Painter, tokenizer: Qwen2Tokenizer, vae: AutoencoderKLQwenImage, folder: Path) -> None:
    """A pipeline folder in half precision; written aside and moved, so that nobody reads half of one."""
    stored = copy.deepcopy(average).half()
    pipeline = QwenImagePipeline(
        scheduler=scheduler(),
        vae=copy.deepcopy(vae).half(),
        text_encoder=stored.text_encoder,
        tokenizer=tokenizer,
        transformer=stored.transformer,
    )
    assert pipeline.prompt_template_encode == TEMPLATE
    assert pipeline.prompt_template_encode_start_idx == NUM_TEMPLATE_TOKENS
    fresh, old = (folder.with_name(f".{folder.name}-{word}") for word in ("fresh", "old"))
    pipeline.save_pretrained(fresh)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """As published with Qwen-Image."""
    return FlowMatchEulerDiscreteScheduler(
        base_image_seq_len=256,
        base_shift=0.5,
        max_image_seq_len=8192,
        max_shift=0.9,
        num_train_timesteps=1000,
        shift=1.0,
        shift_terminal=0.02,
        time_shift_type="exponential",
        use_dynamic_shifting=True,
    )


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    vae = AutoencoderKLQwenImage.from_pretrained(VAE_FOLDER, torch_dtype=torch.float32)
    run = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    training_s = train(run, drawing_tokenizer(), vae)
    corpus = (
        f"{NUM_REQUESTS} requests, {PICTURES_PER_SCENE} drawings of each of {len(training_scenes())} training scenes"
    )
    record(NAME, seed=run, command=COMMANDS, corpus=corpus, training_s={f"transformer, run {run}": round(training_s)})


if __name__ == "__main__":
    main()
