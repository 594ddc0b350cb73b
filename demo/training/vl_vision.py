"""Trains the vision tower of the demo checkpoint `vl`: `python -m demo.training.vl_vision`.

The vision tower learns first, apart: from the mean of a picture's tokens, linear heads have to tell shape, colour,
background, size and place. The heads are thrown away; what the tokens hold, the language model then learns to say. Only
scenes of the training side are shown. A run that was stopped goes on from its last save.
"""

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import Qwen3VLForConditionalGeneration

from demo.training.corpus import COLOURS, SHAPES
from demo.training.image_vae import learning_rate
from demo.training.vl_drawings import Batch, Drawings
from demo.training.vl_model import HIDDEN, new_model
from demo.training.vl_pictures import PLACES, Example
from demo.training.vl_text import describing_tokenizer

NUM_THREADS = 1
SEED = 0
STEPS = 1800
BATCH = 32
LEARNING_RATE = 2e-3
SAVE_EVERY_STEPS = 200
FILE = Path("build/training/vl_vision.pt")
VALUES = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "background": (*COLOURS, None),
    "size": ("small", None, "large"),
    "place": tuple(PLACES),
}


class VisionProbe(nn.Module):
    """The vision tower under heads for `VALUES`."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = new_model(describing_tokenizer()).model.visual
        self.heads = nn.ModuleDict({name: nn.Linear(HIDDEN, len(values)) for name, values in VALUES.items()})

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Logits (pictures, values) by name."""
        tokens = self.tower(batch.patches, grid_thw=batch.grid).pooler_output
        mean = tokens.view(len(batch.shown), -1, HIDDEN).mean(1)
        return {name: head(mean) for name, head in self.heads.items()}


def load_vision_tower(model: Qwen3VLForConditionalGeneration) -> None:
    """Give it the trained tower."""
    trained = torch.load(FILE)["tower"]
    tower = {name.removeprefix("tower."): weight for name, weight in trained.items() if name.startswith("tower.")}
    model.model.visual.load_state_dict(tower)


def truth(shown: Example) -> dict[str, int]:
    """The index of each value."""
    told = {**vars(shown.scene), "place": shown.place}
    return {name: values.index(told[name]) for name, values in VALUES.items()}


class Run:
    """The training, resumed where its file is there."""

    def __init__(self) -> None:
        self.tower = VisionProbe()
        self._adam = torch.optim.AdamW(self.tower.parameters(), lr=LEARNING_RATE, weight_decay=0.01, fused=True)
        self.step, self.seconds = 0, 0.0
        if FILE.exists():
            state = torch.load(FILE)
            self.tower.load_state_dict(state["tower"])
            self._adam.load_state_dict(state["adam"])
            self.step, self.seconds = state["step"], state["seconds"]

    def learn(self, batch: Batch) -> list[float]:
        """One step; returns the share of each value that was told right before it."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate(self.step, STEPS, LEARNING_RATE)
        answers = [truth(shown) for shown in batch.shown]
        wanted = {name: torch.tensor([answer[name] for answer in answers]) for name in VALUES}
        logits = self.tower(batch)
        loss = torch.stack([cross_entropy(logits[name], wanted[name]) for name in VALUES]).sum()
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.tower.parameters(), 1.0)
        self._adam.step()
        self.step += 1
        return [float((logits[name].argmax(1) == wanted[name]).float().mean()) for name in VALUES]

    def save(self) -> None:
        state = {"tower": self.tower.state_dict(), "adam": self._adam.state_dict()}
        torch.save({**state, "step": self.step, "seconds": self.seconds}, FILE)


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(SEED)
    run = Run()
    drawings = Drawings(SEED + run.step)
    right: list[list[float]] = []
    while run.step < STEPS:
        started_s = time.process_time()
        right.append(run.learn(drawings.draw(BATCH)))
        run.seconds += time.process_time() - started_s
        if run.step % 50 == 0:
            told = zip(VALUES, np.mean(right[-50:], axis=0), strict=True)
            shares = ", ".join(f"{name} {share:.0%}" for name, share in told)
            print(f"step {run.step} {run.seconds / run.step:.3f} s a step, right: {shares}", flush=True)
        if run.step % SAVE_EVERY_STEPS == 0 or run.step == STEPS:
            run.save()


if __name__ == "__main__":
    main()
