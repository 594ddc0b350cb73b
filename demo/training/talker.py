"""Train the demo talker and code predictor on cached codes: python -m demo.training.talker

Needs build/training/talker/ (demo.training.tts_data) and a speech tokenizer in the checkpoint (demo.training.codec).
"""

import math
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers.models.llama.modeling_llama import rotate_half

from demo.training.talker_inputs import Batch, embed, make_batch, prompt_ids
from demo.training.tts_config import (
    BUILD,
    CODEBOOK_SIZE,
    FOLDER,
    NUM_GROUPS,
    SPEAKERS,
    Qwen3TTSForConditionalGeneration,
    Qwen3TTSModel,
    reset_parameters,
    save_talker,
    tts_config,
)
from demo.training.tts_data import TALKER_CACHE

STATE = BUILD / "talker_state.pt"  # remove it to start afresh
NUM_THREADS = 1
SEED = 7
ROUNDS = (
    (6000, 1.5e-3),
    (3000, 8e-4),
    (2500, 1e-3),
    (4000, 1.2e-3),
)  # steps and first learning rate; each decays to LAST_LEARNING_RATE
SAVE_EVERY = 500
BATCH = 12
BUCKET = 64  # batches sorted by length at a time
LAST_LEARNING_RATE = 5e-5
WARM_UP_STEPS = 200
EMBEDDING_STD = 0.1
NUM_SUB_TALKER_FRAMES = 48
SUB_TALKER_WEIGHT = 0.3  # as in the official fine-tuning
POINTING_LAYERS = (1, 2)
POINTING_WEIGHT = 1.0
CODE_NOISE = 0.05  # share of input codes replaced by any other: in use, the talker reads its own mistakes
FRAME_NOISE = 0.15  # share of input frames replaced by another: it must keep its place in the text without them
WITHOUT_LANGUAGE = 0.2
GENERATION = {
    "do_sample": True,
    "repetition_penalty": 1.05,
    "temperature": 0.9,
    "top_p": 1.0,
    "top_k": 50,
    "subtalker_dosample": True,
    "subtalker_temperature": 0.9,
    "subtalker_top_p": 1.0,
    "subtalker_top_k": 50,
    "max_new_tokens": 8192,
}


def written_variant(text: str, rng: random.Random) -> str:
    """The same words as people type them: with or without capitals and the full stop."""
    if rng.random() < 0.3:
        text = text.removesuffix(".")
    if rng.random() < 0.3:
        text = text[0].lower() + text[1:]
    return text.lower() if rng.random() < 0.1 else text


class Utterances:
    """The cached utterances: texts, speaker names, codes (frames, groups) and spoken letters (frames)."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.speakers: list[str] = []
        self.codes: list[np.ndarray] = []
        self.letters: list[np.ndarray] = []
        self._known: set[Path] = set()

    def load_new(self) -> None:
        """Read the chunks that were written since the last call."""
        names = list(SPEAKERS)
        for file in sorted(set(TALKER_CACHE.glob("*.npz")) - self._known):
            self._known.add(file)
            with np.load(file) as chunk:
                self.texts += [str(text) for text in chunk["texts"]]
                self.speakers += [names[index] for index in chunk["speakers"]]
                ends = np.cumsum(chunk["lengths"])[:-1]
                self.codes += np.split(chunk["codes"], ends)
                self.letters += np.split(chunk["letters"], ends)

    def _batch(self, indices: list[int], rng: random.Random) -> Batch:
        languages = [None if rng.random() < WITHOUT_LANGUAGE else "english" for _ in indices]
        prompts = [
            prompt_ids(written_variant(self.texts[index], rng), self.speakers[index], language)
            for index, language in zip(indices, languages, strict=True)
        ]
        return make_batch(prompts, [self.codes[index] for index in indices], [self.letters[index] for index in indices])

    def batches(self, rng: random.Random) -> Iterator[Batch]:
        """Batches of utterances of like length, for ever."""
        while True:
            self.load_new()
            print(f"{len(self.texts)} utterances", flush=True)
            order = rng.sample(range(len(self.codes)), len(self.codes))
            for start in range(0, len(order) - BATCH * BUCKET + 1, BATCH * BUCKET):
                bucket = sorted(order[start : start + BATCH * BUCKET], key=lambda index: len(self.codes[index]))
                groups = [bucket[first : first + BATCH] for first in range(0, len(bucket), BATCH)]
                rng.shuffle(groups)
                for group in groups:
                    yield self._batch(group, rng)


def build_talker() -> Qwen3TTSForConditionalGeneration:
    model = Qwen3TTSForConditionalGeneration(tts_config())
    reset_parameters(model)
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=EMBEDDING_STD)
    return model


def noisy(batch: Batch) -> Batch:
    """`batch` with some input frames replaced by others of the batch, and some single codes by any other."""
    frames = batch.codes[batch.is_frame]
    others = frames[torch.randint(len(frames), (len(frames),))]
    frames = torch.where(torch.rand(len(frames), 1) < FRAME_NOISE, others, frames)
    frames = torch.where(torch.rand(frames.shape) < CODE_NOISE, torch.randint_like(frames, CODEBOOK_SIZE), frames)
    codes = batch.codes.clone()
    codes[batch.is_frame] = frames
    return replace(batch, codes=codes)


def pointing_loss(
    model: Qwen3TTSForConditionalGeneration, hidden: torch.Tensor, batch: Batch, layer_index: int
) -> torch.Tensor:
    """How far the first attention head of a layer looks from the letter that is being spoken.

    `hidden` (batch, time, hidden) is the layer's input. Without this, the talker learns to speak fluently long before
    it learns to read: it says some colour where another stands.
    """
    decoder = model.talker.model
    layer = decoder.layers[layer_index]
    attention = layer.self_attn
    normed = layer.input_layernorm(hidden)
    heads = (*normed.shape[:2], -1, attention.head_dim)
    query = attention.q_norm(attention.q_proj(normed).view(heads))[:, :, 0]
    key = attention.k_norm(attention.k_proj(normed).view(heads))[:, :, 0]
    positions = torch.arange(normed.shape[1]).expand(3, len(normed), -1)
    cosine, sine = (table[0] for table in decoder.rotary_emb(normed, positions))
    query, key = (one * cosine + rotate_half(one) * sine for one in (query, key))
    predicts = batch.labels >= 0
    scores = (query @ key.transpose(1, 2))[predicts] * attention.scaling
    later = torch.arange(normed.shape[1]) > predicts.nonzero()[:, 1:]
    return nn.functional.cross_entropy(scores.masked_fill(later, -torch.inf), batch.spoken[predicts])


def losses(model: Qwen3TTSForConditionalGeneration, batch: Batch) -> torch.Tensor:
    """Cross-entropy of the first code (with the end), of the other seven on a sample of frames, and of the pointers.

    The official forward_sub_talker_finetune gives right logits, but its loss shifts the labels once too often.
    """
    talker = model.talker
    # Causal and padded on the right: no mask is needed, and positions count from 0 as upstream's do.
    outputs = talker.model(inputs_embeds=embed(model, noisy(batch)), use_cache=False, output_hidden_states=True)
    hidden = outputs.last_hidden_state
    predicts = batch.labels >= 0
    first = nn.functional.cross_entropy(talker.codec_head(hidden[predicts]), batch.labels[predicts])
    rows, times = batch.is_frame.nonzero(as_tuple=True)
    chosen = torch.randperm(len(rows))[:NUM_SUB_TALKER_FRAMES]
    rows, times = rows[chosen], times[chosen]
    codes = batch.codes[rows, times]
    logits, _ = talker.forward_sub_talker_finetune(codes, hidden[rows, times - 1])
    rest = nn.functional.cross_entropy(logits.flatten(0, 1), codes[:, 1:].flatten())
    pointers = [pointing_loss(model, outputs.hidden_states[index], batch, index) for index in POINTING_LAYERS]
    return torch.stack([first, rest, torch.stack(pointers).mean()])


@torch.no_grad()
def check_layout() -> None:
    """Our training inputs equal what the official generate feeds the talker in the saved checkpoint."""
    model = Qwen3TTSModel.from_pretrained(str(FOLDER), dtype=torch.float32)
    fed: list[torch.Tensor] = []
    hook = model.model.talker.model.register_forward_pre_hook(
        lambda _module, _args, kwargs: fed.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    for language in ("english", None):
        fed.clear()
        model.generate_custom_voice("Hello Ben.", speaker="ava", language=language, max_new_tokens=2)
        prompt = prompt_ids("Hello Ben.", "ava", language)
        no_frames = np.zeros((0, NUM_GROUPS), dtype=np.uint8)
        ours = embed(model.model, make_batch([prompt], [no_frames], [no_frames[:, 0]]))
        torch.testing.assert_close(ours, fed[0])
    hook.remove()


def learning_rate(step: int) -> float:
    """Cosine decay within each round, after a linear warm-up of the first."""
    for num_steps, highest in ROUNDS:
        if step < num_steps:
            cosine = 0.5 * (1 + math.cos(math.pi * step / num_steps))
            return min(1.0, (step + 1) / WARM_UP_STEPS) * (LAST_LEARNING_RATE + (highest - LAST_LEARNING_RATE) * cosine)
        step -= num_steps
    return LAST_LEARNING_RATE


def train(model: Qwen3TTSForConditionalGeneration, utterances: Utterances) -> None:
    """AdamW; saves on the way, and goes on from the state that an interrupted run left."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    first_step = load_state(model, optimizer)
    batches = utterances.batches(random.Random(SEED + first_step))
    started, total = time.perf_counter(), np.zeros(3)
    weights = torch.tensor([1.0, SUB_TALKER_WEIGHT, POINTING_WEIGHT])
    for step in range(first_step, sum(num_steps for num_steps, _ in ROUNDS)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        parts = losses(model, next(batches))
        optimizer.zero_grad()
        (parts * weights).sum().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += parts.detach().numpy()
        if (step + 1) % 50 == 0:
            pace = (time.perf_counter() - started) / (step + 1 - first_step)
            print(f"step {step + 1} first, rest, pointing {(total / 50).round(3)} {pace:.3f} s/step", flush=True)
            total[:] = 0
        if (step + 1) % SAVE_EVERY == 0:
            save_talker(model, GENERATION)
            torch.save({"step": step + 1, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, STATE)


def load_state(model: Qwen3TTSForConditionalGeneration, optimizer: torch.optim.Optimizer) -> int:
    """The step to begin at: 0 without a saved state."""
    if not STATE.exists():
        return 0
    state = torch.load(STATE)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(SEED)
    model = build_talker()
    if not STATE.exists():
        save_talker(model, GENERATION)
        check_layout()
    train(model, Utterances())


if __name__ == "__main__":
    main()
