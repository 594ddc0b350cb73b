"""Train the demo talker and code predictor on cached codes; one talker serves all three checkpoints.

python -m demo.training.talker from_scratch  # needs tts_data
python -m demo.training.talker free          # on from the published talker; needs tts_free_data
"""

import math
import random
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from transformers.models.llama.modeling_llama import rotate_half

from demo.training import tts_free_data
from demo.training.talker_inputs import IGNORED, Batch, embed
from demo.training.tts_config import (
    BUILD,
    CODEBOOK_SIZE,
    FOLDER,
    WEIGHTS,
    Qwen3TTSForConditionalGeneration,
    reset_parameters,
    save_talker,
    tts_config,
)
from demo.training.tts_data import TALKER_CACHE
from demo.training.utterances import Utterances
from demo.training.voice_space import DIMENSION

NUM_THREADS = 1
SEED = 7
LAST_LEARNING_RATE = 5e-5
WARM_UP_STEPS = 200
SAVE_EVERY = 500
EMBEDDING_STD = 0.1
NUM_SUB_TALKER_FRAMES = 56
SUB_TALKER_WEIGHT = 0.3  # as in the official fine-tuning
ATTENTION_LAYERS = (1, 2, 3)
ATTENTION_HEADS = {0: 0, 2: 1}  # head -> how many tokens after the one that is being spoken
ATTENTION_WEIGHT = 1.0
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


@dataclass(frozen=True)
class Phase:
    """`rounds`: steps and first learning rate, each decays to LAST_LEARNING_RATE; `state`: remove it to start afresh.

    `mandarin_times`: how often each Mandarin utterance is taken where another one is taken once.
    """

    rounds: tuple[tuple[int, float], ...]
    cache: Path
    state: Path
    mandarin_times: int = 1


PHASES = {
    "from_scratch": Phase(((9000, 2e-3), (1000, 5e-4)), TALKER_CACHE, BUILD / "talker_state.pt"),
    "free": Phase(((10000, 1.5e-3),), tts_free_data.CACHE, BUILD / "talker_free_state.pt", mandarin_times=2),
}


class Trained(nn.Module):
    """The talker, and the projection that turns the numbers of a voice into its embedding.

    The projection becomes part of the speaker encoder when the checkpoints are written; from then on the numbers are
    what this encoder gives.
    """

    def __init__(self, model: Qwen3TTSForConditionalGeneration, voice_projection: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.voice_projection = voice_projection

    @classmethod
    def fresh(cls) -> "Trained":
        """Untrained."""
        model = Qwen3TTSForConditionalGeneration(tts_config("custom_voice"))
        reset_parameters(model)
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=EMBEDDING_STD)
        voice_projection = nn.Linear(DIMENSION, model.config.talker_config.hidden_size)
        nn.init.normal_(voice_projection.weight, std=EMBEDDING_STD)
        return cls(model, voice_projection)

    @classmethod
    def published(cls) -> "Trained":
        """The published talker."""
        model = Qwen3TTSForConditionalGeneration(tts_config("custom_voice"))
        model.load_state_dict({name: tensor.float() for name, tensor in load_file(FOLDER / WEIGHTS).items()})
        return cls(model, nn.Identity())


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
    """How far the ATTENTION_HEADS of a layer look from the token that is being spoken and from the next one.

    `hidden` (batch, time, hidden) is the layer's input. Without this, the talker learns to speak fluently long before
    it learns to read: it says some colour where another stands.
    """
    decoder = model.talker.model
    layer = decoder.layers[layer_index]
    attention = layer.self_attn
    normed = layer.input_layernorm(hidden)
    heads = (*normed.shape[:2], -1, attention.head_dim)
    queries = attention.q_norm(attention.q_proj(normed).view(heads))
    keys = attention.k_norm(attention.k_proj(normed).view(heads))
    positions = torch.arange(normed.shape[1])
    cosine, sine = (table[0] for table in decoder.rotary_emb(normed, positions.expand(3, len(normed), -1)))
    parts = []
    for head, ahead in ATTENTION_HEADS.items():
        pair = queries[:, :, head], keys[:, :, head // attention.num_key_value_groups]
        query, key = (one * cosine + rotate_half(one) * sine for one in pair)
        targets = batch.spoken + ahead
        known = (batch.spoken != IGNORED) & (targets <= batch.last_text[:, None]) & (targets <= positions)
        scores = (query @ key.transpose(1, 2))[known] * attention.scaling
        later = positions > known.nonzero()[:, 1:]
        parts.append(nn.functional.cross_entropy(scores.masked_fill(later, -torch.inf), targets[known]))
    return torch.stack(parts).mean()


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
    pointers = [attention_loss(trained.model, outputs.hidden_states[index], batch, index) for index in ATTENTION_LAYERS]
    return torch.stack([first, rest, torch.stack(pointers).mean()])


def learning_rate(step: int, rounds: tuple[tuple[int, float], ...]) -> float:
    """Cosine decay within each round, after a linear warm-up of the first."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    for num_steps, highest in rounds:
        if step < num_steps:
            cosine = 0.5 * (1 + math.cos(math.pi * step / num_steps))
            return warm * (LAST_LEARNING_RATE + (highest - LAST_LEARNING_RATE) * cosine)
        step -= num_steps
    return LAST_LEARNING_RATE


def train(trained: Trained, utterances: Utterances, phase: Phase) -> None:
    """AdamW; saves on the way, and goes on from the state that an interrupted run left."""
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    first_step = load_state(trained, optimizer, phase.state)
    batches = utterances.batches(random.Random(SEED + first_step), phase.mandarin_times)
    started, total = time.perf_counter(), np.zeros(3)
    weights = torch.tensor([1.0, SUB_TALKER_WEIGHT, ATTENTION_WEIGHT])
    for step in range(first_step, sum(num_steps for num_steps, _ in phase.rounds)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, phase.rounds)
        with torch.autocast("cpu", torch.bfloat16):
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
            state = {"step": step + 1, "trained": trained.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state, phase.state)
            save_talker(trained.model, GENERATION)


def load_state(trained: Trained, optimizer: torch.optim.Optimizer, file: Path) -> int:
    """The step to begin at: 0 without a saved state."""
    if not file.exists():
        return 0
    state = torch.load(file)
    trained.load_state_dict(state["trained"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def load_trained() -> Trained:
    """As the last save of `from_scratch` left it."""
    trained = Trained.fresh()
    trained.load_state_dict(torch.load(PHASES["from_scratch"].state)["trained"])
    return trained


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(SEED)
    name = sys.argv[1]
    phase = PHASES[name]
    trained = Trained.fresh() if name == "from_scratch" else Trained.published()
    train(trained, Utterances(phase.cache), phase)


if __name__ == "__main__":
    main()
