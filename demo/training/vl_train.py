"""Trains the demo checkpoint that sees: `python -m demo.training.vl_train [RUN]`.

Run 0 starts with a trained vision tower (`demo.training.vl_vision`); runs 1, 2, … continue the last one with other
pictures and the learning rate raised again. A run that was stopped continues from its last save. Only scenes of the
training side are shown.
"""

import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen2Tokenizer, Qwen3VLForConditionalGeneration

from demo.training.image_vae import learning_rate
from demo.training.manifest import CHECKPOINTS, record
from demo.training.vl_drawings import NUM_PICTURES, Drawings
from demo.training.vl_model import new_model, save
from demo.training.vl_pictures import Example, scenes
from demo.training.vl_text import ANSWERS, SHARES, asked, describing_tokenizer
from demo.training.vl_vision import FILE, load_vision_tower
from qwen_engine.vision.prompt import VisionPrompts

NUM_THREADS = 1
STEPS = 1300
BATCH = 32
LEARNING_RATE = 1.5e-3  # at its peak in run 0, half of it in later runs
SAVE_EVERY_STEPS = 200
NAME = "vl"
BUILD = Path("build/training/vl")
COMMANDS = [
    "python -m demo.training.vl_vision",
    *(f"python -m demo.training.vl_train {run}" for run in range(2)),
    "python -m demo.training.evaluate_vl",
]


class Examples:
    """Pictures of training scenes with a question and its answer; a batch has pictures of one shape."""

    def __init__(self, prompts: VisionPrompts, seed: int) -> None:
        self._rng = random.Random(seed)
        self._prompts = prompts
        self._drawings = Drawings(seed)

    def draw(self) -> dict[str, Tensor]:
        """What the model is called with, `labels` included."""
        batch = self._drawings.draw(BATCH)
        rows = [self._conversation(shown, batch.num_tokens) for shown in batch.shown]
        ids = pad_sequence([torch.tensor(question + answer) for question, answer in rows], batch_first=True)
        labels = pad_sequence(
            [torch.tensor([-100] * len(question) + answer) for question, answer in rows], True, padding_value=-100
        )
        return {
            "input_ids": ids,
            "labels": labels,
            "pixel_values": batch.patches,
            "image_grid_thw": batch.grid,
            "mm_token_type_ids": (ids == self._prompts.picture).int(),
        }

    def _conversation(self, shown: Example, num_picture_tokens: int) -> tuple[list[int], list[int]]:
        kind = self._rng.choices(tuple(SHARES), tuple(SHARES.values()))[0]
        question = self._prompts.ids([("user", [num_picture_tokens, asked(kind, shown.scene, self._rng)])])
        return question, [*self._prompts.tokenizer.encode(ANSWERS[kind](shown.scene, shown.place)), self._prompts.end]


def positions(model: Qwen3VLForConditionalGeneration, batch: dict[str, Tensor]) -> Tensor:
    """(3, 1, length): pictures of one shape stand in the same place in every row."""
    found, _ = model.model.get_rope_index(
        batch["input_ids"][:1], batch["mm_token_type_ids"][:1], batch["image_grid_thw"][:1]
    )
    return found


class Run:
    """One run of the training, resumed where its file is there."""

    def __init__(self, number: int, tokenizer: Qwen2Tokenizer) -> None:
        self._number = number
        self._tokenizer = tokenizer
        self._file = BUILD / f"run_{number}.pt"
        self.model = new_model(tokenizer)
        self._adam = torch.optim.AdamW(self.model.parameters(), lr=LEARNING_RATE, weight_decay=0.01, fused=True)
        self._peak = LEARNING_RATE / 2 if number else LEARNING_RATE
        self.step = 0
        self.seconds = 0.0
        self._resume()

    def learn(self, batch: dict[str, Tensor]) -> float:
        """One step; returns the loss."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate(self.step, STEPS, self._peak)
        loss = self.model(**batch, position_ids=positions(self.model, batch)).loss
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._adam.step()
        self.step += 1
        return float(loss.item())

    def save(self) -> None:
        state = {"model": self.model.state_dict(), "adam": self._adam.state_dict()}
        torch.save({**state, "step": self.step, "seconds": self.seconds}, self._file)

    def publish(self) -> None:
        save(self.model, self._tokenizer, CHECKPOINTS / NAME)

    def _resume(self) -> None:
        if self._file.exists():
            state = torch.load(self._file)
            self.model.load_state_dict(state["model"])
            self._adam.load_state_dict(state["adam"])
            self.step, self.seconds = state["step"], state["seconds"]
        elif self._number:
            self.model.load_state_dict(torch.load(BUILD / f"run_{self._number - 1}.pt")["model"])
        else:
            load_vision_tower(self.model)


def train(number: int) -> float:
    """Saves as it goes; returns the seconds of a core it took. `number` is the seed as well."""
    tokenizer = describing_tokenizer()
    tokenizer.save_pretrained(BUILD)
    torch.manual_seed(number)
    run = Run(number, tokenizer)
    examples = Examples(VisionPrompts(BUILD), number + run.step)
    torch.manual_seed(number + run.step)
    recent: list[float] = []
    while run.step < STEPS:
        started_s = time.process_time()
        recent.append(run.learn(examples.draw()))
        run.seconds += time.process_time() - started_s
        if run.step % 50 == 0:
            print(f"step {run.step} loss {np.mean(recent[-50:]):.4f} {run.seconds / run.step:.3f} s a step", flush=True)
        if run.step % SAVE_EVERY_STEPS == 0 or run.step == STEPS:
            run.save()
    run.publish()
    return run.seconds


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    BUILD.mkdir(parents=True, exist_ok=True)
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    training_s = train(number)
    record(
        NAME,
        seed=number,
        command=COMMANDS,
        corpus=f"{NUM_PICTURES} drawings a run of {len(scenes(held_out=False))} training scenes, each asked about anew",
        training_s={
            "vision": round(torch.load(FILE)["seconds"]),
            f"run {number}": round(training_s),
        },  # of a core
    )


if __name__ == "__main__":
    main()
