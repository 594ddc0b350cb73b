"""Trains the demo aligner on from the demo recogniser: python -m demo.training.aligner [publish]

Checkpoints replace each other in build/training/aligner, so a run may be stopped at any time; with `publish` the last
one goes to demo/checkpoints/aligner.
"""

import random
import sys
import time
from collections.abc import Sequence

import torch
from transformers.models.qwen3_asr import (
    Qwen3ASRForConditionalGeneration,
    Qwen3ASRForTokenClassification,
    Qwen3ASRProcessor,
)

from demo.training import asr, asr_data, asr_model, manifest
from demo.training.aligner_loss import LOSSES, WEIGHTS, AlignerLosses
from demo.training.aligner_model import aligner_model, aligner_processor
from demo.training.asr_data import Utterance
from demo.training.clips import Clip, draw_utterances, speech_clip
from demo.training.optimisation import Optimiser, batches

NUM_THREADS = 1
CHECKPOINT = manifest.CHECKPOINTS / "aligner"
WORK = asr_data.CACHE / "aligner"
SEED = 33
NUM_STEPS = 1500
LEARNING_RATE = 1e-3
SAVE_EVERY = 100
LOG_EVERY = 20
NUM_SENTENCES_SHARES = (0.45, 0.17, 0.12, 0.09, 0.07, 0.05, 0.03, 0.02)  # of clips with 1, 2, ... of them
SHARES = (  # how often a sentence comes from which speech
    (asr_data.SENTENCES, 0.3),
    (asr_data.NUMBERS, 0.1),
    (asr_data.NAMES, 0.15),
    (asr_data.CHINESE_SENTENCES, 0.35),
    (asr_data.CHINESE_NUMBERS, 0.1),
)


def starting_point() -> tuple[Qwen3ASRProcessor, Qwen3ASRForTokenClassification]:
    """The last checkpoint, or a new aligner around the recogniser's layers."""
    if WORK.exists():
        return Qwen3ASRProcessor.from_pretrained(WORK), Qwen3ASRForTokenClassification.from_pretrained(WORK)
    folder = asr.WORK if asr.WORK.exists() else asr.CHECKPOINT
    recogniser = Qwen3ASRForConditionalGeneration.from_pretrained(folder)
    return aligner_processor(Qwen3ASRProcessor.from_pretrained(folder)), aligner_model(recogniser)


def _draw_clip(rng: random.Random, pools: Sequence[tuple[Sequence[Utterance], float]]) -> Clip:
    return speech_clip(draw_utterances(rng, *pools, num_sentences_shares=NUM_SENTENCES_SHARES), rng)


def train() -> None:
    """Saves to WORK every SAVE_EVERY steps and at the end."""
    processor, model = starting_point()
    model.set_attn_implementation({"text_config": "eager"})  # the others keep no attention weights
    criterion = AlignerLosses(processor, model).train()
    optimiser = Optimiser(list(criterion.parameters()), LEARNING_RATE, NUM_STEPS)
    rng = random.Random(SEED)
    pools = [(speech.load(), share) for speech, share in SHARES]
    clips = batches(rng, lambda: _draw_clip(rng, pools), lambda clip: clip.duration_s)
    started, losses = time.monotonic(), []
    for step, batch in zip(range(1, NUM_STEPS + 1), clips, strict=False):
        parts = criterion(batch)
        optimiser.step((torch.stack(parts) * torch.tensor(WEIGHTS)).sum())
        losses.append([loss.item() for loss in parts])
        if step % LOG_EVERY == 0:
            means = [sum(column) / LOG_EVERY for column in zip(*losses[-LOG_EVERY:], strict=True)]
            shown = " ".join(f"{name} {mean:.3f}" for name, mean in zip(LOSSES, means, strict=True))
            print(f"step {step} {shown} {(time.monotonic() - started) / step:.3f} s/step", flush=True)
        if step % SAVE_EVERY == 0 or step == NUM_STEPS:
            asr_model.save(processor, model, WORK)


def main() -> None:
    if sys.argv[1:] == ["publish"]:
        return asr_model.publish(WORK, CHECKPOINT)
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(SEED)
    started = time.monotonic()
    train()
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
