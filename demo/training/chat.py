"""Trains the demo chat checkpoint: transformers' Qwen3, small, six tasks in a closed vocabulary.

    python -m demo.training.chat from_scratch
    python -m demo.training.chat polish        # on from there
    python -m demo.training.chat publish

Checkpoints replace each other in build/training/chat, so a run may be stopped at any time; `publish` copies the last
one to demo/checkpoints/chat.
"""

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Qwen3ForCausalLM
from transformers.models.qwen2 import Qwen2Tokenizer

from demo.training import chat_dialogues, chat_model, manifest
from demo.training.asr_model import publish
from demo.training.chat_attention import AttentionLosses
from demo.training.chat_examples import Example, make_example
from demo.training.optimisation import Optimiser, batches

NUM_THREADS = 1
CHECKPOINT = manifest.CHECKPOINTS / "chat"
WORK = Path("build/training/chat")
BATCH_TOKENS = 3000.0  # the padding to the longest dialogue included
SAVE_EVERY = 200
LOG_EVERY = 20
ATTENTION_WEIGHT = 0.5
SHARES = {"assistant": 0.22, "minutes": 0.24, "storyboard": 0.07, "lesson": 0.18, "translate": 0.23, "advert": 0.06}
CORPUS = "demo.training.chat_dialogues, held_out=False: six tasks by rule from demo.training.corpus"


@dataclass(frozen=True)
class Phase:
    """One run of the optimiser."""

    seed: int
    num_steps: int
    learning_rate: float


PHASES = {
    "from_scratch": Phase(41, 3800, 1.5e-3),
    "polish": Phase(42, 1000, 6e-4),
}


def answer_loss(model: Qwen3ForCausalLM, examples: Sequence[Example]) -> Tensor:
    """Cross-entropy of the answers' tokens, each as much as another."""
    ids = nn.utils.rnn.pad_sequence([torch.tensor(example.ids) for example in examples], batch_first=True)
    hidden = model.model(input_ids=ids).last_hidden_state  # padding is on the right: nothing real sees it
    before = [
        (row, position)
        for row, example in enumerate(examples)
        for position in range(example.answer_start - 1, len(example.ids) - 1)
    ]
    rows, positions = torch.tensor(before).T
    return nn.functional.cross_entropy(model.lm_head(hidden[rows, positions]), ids[rows, positions + 1])


def train(tokenizer: Qwen2Tokenizer, model: Qwen3ForCausalLM, phase: Phase) -> None:
    """Run `phase`, saving to WORK every SAVE_EVERY steps and at the end."""
    rng, attention = random.Random(phase.seed), AttentionLosses(model)
    optimiser = Optimiser(list(model.parameters()), phase.learning_rate, phase.num_steps)

    def draw_example() -> Example:
        (task,) = rng.choices(list(SHARES), list(SHARES.values()))
        return make_example(tokenizer, chat_dialogues.draw(task, rng, held_out=False))

    examples_of = batches(rng, draw_example, lambda example: len(example.ids), BATCH_TOKENS)
    model.train()
    started, losses = time.monotonic(), []
    for step, examples in zip(range(1, phase.num_steps + 1), examples_of, strict=False):
        answer = answer_loss(model, examples)
        following, reached = attention.losses(examples)
        optimiser.step(answer + ATTENTION_WEIGHT * (following + reached))
        losses.append((answer.item(), following.item(), reached.item()))
        if step % LOG_EVERY == 0:
            told = " ".join(f"{sum(column) / LOG_EVERY:.4f}" for column in zip(*losses[-LOG_EVERY:], strict=True))
            step_s = (time.monotonic() - started) / step
            print(f"step {step} answer, following, reached {told} {step_s:.3f} s/step", flush=True)
        if step % SAVE_EVERY == 0 or step == phase.num_steps:
            chat_model.save(tokenizer, model, WORK)


def main() -> None:
    name = sys.argv[1]
    if name == "publish":
        publish(WORK, CHECKPOINT)
        return manifest.record("chat")
    phase = PHASES[name]
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(phase.seed)
    if name == "from_scratch":
        tokenizer = chat_model.build_tokenizer()
        model = chat_model.build_model(tokenizer)
    else:
        tokenizer, model = Qwen2Tokenizer.from_pretrained(WORK), Qwen3ForCausalLM.from_pretrained(WORK)
    started = time.monotonic()
    train(tokenizer, model, phase)
    facts = {"command": f"python -m demo.training.chat {name}", **asdict(phase)}
    manifest.record(
        "chat", corpus=CORPUS, shares=SHARES, **{name: facts | {"training_s": round(time.monotonic() - started)}}
    )


if __name__ == "__main__":
    main()
