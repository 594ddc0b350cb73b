"""Train the demo talker and code predictor on cached codes: python -m demo.training.talker

One talker serves all three checkpoints. Needs build/training/talker/ (demo.training.tts_data).
"""

import math
import random
import time
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from transformers.models.llama.modeling_llama import rotate_half

from demo.training.talker_inputs import IGNORED, Batch, embed
from demo.training.tts_config import (
    BUILD,
    CODEBOOK_SIZE,
    Qwen3TTSForConditionalGeneration,
    reset_parameters,
    save_talker,
    tts_config,
)
from demo.training.utterances import Utterances
from demo.training.voice_space import DIMENSION

STATE = BUILD / "talker_state.pt"  # remove it to start afresh
NUM_THREADS = 1
SEED = 7
ROUNDS = ((9000, 2e-3), (1000, 5e-4))  # steps and first learning rate; each decays to LAST_LEARNING_RATE
LAST_LEARNING_RATE = 5e-5
WARM_UP_STEPS = 200
SAVE_EVERY = 500
EMBEDDING_STD = 0.1
NUM_SUB_TALKER_FRAMES = 56
SUB_TALKER_WEIGHT = 0.3  # as in the official fine-tuning
POINTING_LAYERS = (1, 2)
ATTENTION_WEIGHT = 0.3
CODE_NOISE = 0.05  # share of input codes replaced by any other: in use, the talker reads its own mistakes
FRAME_NOISE = 0.15  # share of input frames replaced by another: it must keep its place in the text without them
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


class Trained(nn.Module):
    """The talker, and the projection that turns the eight numbers of a voice into its embedding.

    The projection becomes part of the speaker encoder when the checkpoints are written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model = Qwen3TTSForConditionalGeneration(tts_config("custom_voice"))
        reset_parameters(self.model)
        for module in self.model.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=EMBEDDING_STD)
        self.voice_projection = nn.Linear(DIMENSION, self.model.config.talker_config.hidden_size)
        nn.init.normal_(self.voice_projection.weight, std=EMBEDDING_STD)


def noisy(batch: Batch) -> Batch:
    """`batch` with some input frames replaced by others of the batch, and some single codes by any other."""
    frames = batch.codes[batch.is_frame]
    others = frames[torch.randint(len(frames), (len(frames),))]
    frames = torch.where(torch.rand(len(frames), 1) < FRAME_NOISE, others, frames)
    frames = torch.where(torch.rand(frames.shape) < CODE_NOISE, torch.randint_like(frames, CODEBOOK_SIZE), frames)
    codes = batch.codes.clone()
    codes[batch.is_frame] = frames
    return replace(batch, codes=codes)


def attention_loss(
    model: Qwen3TTSForConditionalGeneration, hidden: torch.Tensor, batch: Batch, layer_index: int
) -> torch.Tensor:
    """How far the first attention head of a layer looks from the token that is being spoken.

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
    predicts = batch.spoken != IGNORED
    scores = (query @ key.transpose(1, 2))[predicts] * attention.scaling
    later = torch.arange(normed.shape[1]) > predicts.nonzero()[:, 1:]
    return nn.functional.cross_entropy(scores.masked_fill(later, -torch.inf), batch.spoken[predicts])


def losses(trained: Trained, batch: Batch) -> torch.Tensor:
    """Cross-entropy of the first code (with the end), of the other seven on a sample of frames, and of the pointers.

    The official forward_sub_talker_finetune gives right logits, but its loss shifts the labels once too often.
    """
    talker = trained.model.talker
    # Causal and padded on the right: no mask is needed, and positions count from 0 as upstream's do.
    inputs = embed(trained.model, trained.voice_projection, noisy(batch))
    outputs = talker.model(inputs_embeds=inputs, use_cache=False, output_hidden_states=True)
    hidden = outputs.last_hidden_state
    predicts = batch.labels != IGNORED
    first = nn.functional.cross_entropy(talker.codec_head(hidden[predicts]), batch.labels[predicts])
    rows, times = batch.is_frame.nonzero(as_tuple=True)
    chosen = torch.randperm(len(rows))[:NUM_SUB_TALKER_FRAMES]
    rows, times = rows[chosen], times[chosen]
    codes = batch.codes[rows, times]
    logits, _ = talker.forward_sub_talker_finetune(codes, hidden[rows, times - 1])
    rest = nn.functional.cross_entropy(logits.flatten(0, 1), codes[:, 1:].flatten())
    pointers = [attention_loss(trained.model, outputs.hidden_states[index], batch, index) for index in POINTING_LAYERS]
    return torch.stack([first, rest, torch.stack(pointers).mean()])


def learning_rate(step: int) -> float:
    """Cosine decay within each round, after a linear warm-up of the first."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    for num_steps, highest in ROUNDS:
        if step < num_steps:
            cosine = 0.5 * (1 + math.cos(math.pi * step / num_steps))
            return warm * (LAST_LEARNING_RATE + (highest - LAST_LEARNING_RATE) * cosine)
        step -= num_steps
    return LAST_LEARNING_RATE


def train(trained: Trained, utterances: Utterances) -> None:
    """AdamW; saves on the way, and goes on from the state that an interrupted run left."""
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    first_step = load_state(trained, optimizer)
    batches = utterances.batches(random.Random(SEED + first_step))
    started, total = time.perf_counter(), np.zeros(3)
    weights = torch.tensor([1.0, SUB_TALKER_WEIGHT, ATTENTION_WEIGHT])
    for step in range(first_step, sum(num_steps for num_steps, _ in ROUNDS)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        parts = losses(trained, next(batches))
        optimizer.zero_grad()
        (parts * weights).sum().backward()
        nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        total += parts.detach().numpy()
        if (step + 1) % 50 == 0:
            pace = (time.perf_counter() - started) / (step + 1 - first_step)
            print(f"step {step + 1} first, rest, attention {(total / 50).round(3)} {pace:.3f} s/step", flush=True)
            total[:] = 0
        if (step + 1) % SAVE_EVERY == 0:
            torch.save({"step": step + 1, "trained": trained.state_dict(), "optimizer": optimizer.state_dict()}, STATE)
            save_talker(trained.model, GENERATION)


def load_state(trained: Trained, optimizer: torch.optim.Optimizer) -> int:
    """The step to begin at: 0 without a saved state."""
    if not STATE.exists():
        return 0
    state = torch.load(STATE)
    trained.load_state_dict(state["trained"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def load_trained() -> Trained:
    """As the last save left it."""
    trained = Trained()
    trained.load_state_dict(torch.load(STATE)["trained"])
    return trained


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(SEED)
    train(Trained(), Utterances())


if __name__ == "__main__":
    main()
