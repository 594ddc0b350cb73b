"""Train the speech tokenizer's encoder: python -m demo.training.mimi

Any audio → the latents that the codes come from, supervised: it hears the natural speech of mixed voices and learns
the components of the same text in monotone, and the register. Runs on the decoder that demo.training.codec left.
"""

import time

import numpy as np
import torch
from torch import nn

from demo.training.fit_codes import mixed_utterances
from demo.training.speech_codes import NUM_COMPONENTS, CodeBooks
from demo.training.tts_config import (
    LATENT_DIM,
    SAMPLES_PER_FRAME,
    Qwen3TTSTokenizerV2Model,
    load_codec,
    save_codec,
)
from demo.training.tts_speech import flat, registers_of, spoken

NUM_THREADS = 1
SEED = 41
NUM_UTTERANCES = 2500
NUM_STEPS = 2500
SAVE_EVERY = 500
BATCH = 8
WINDOW_FRAMES = 20
LEARNING_RATE, LAST_LEARNING_RATE = 2e-3, 1e-4
REGISTER_WEIGHT = 0.5
LOUDNESS_SPREAD = 0.3  # of the natural logarithm


def latents_heard(codec: Qwen3TTSTokenizerV2Model, audio: torch.Tensor) -> torch.Tensor:
    """(batch, frames, latent) that the encoder would quantise, of `audio` (batch, samples)."""
    encoder = codec.encoder
    hidden = encoder.encoder(audio.unsqueeze(1))
    hidden = encoder.encoder_transformer(hidden.transpose(1, 2))[0].transpose(1, 2)
    return encoder.downsample(hidden)[:, :LATENT_DIM].transpose(1, 2)


def utterances(books: CodeBooks) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Natural audio (samples) and the latents (frames, latent) of the same words."""
    pairs = []
    for text, voice in mixed_utterances(NUM_UTTERANCES, SEED):
        audio, monotone = spoken(text, voice), flat(text, voice)
        registers = registers_of(text, voice, len(monotone) // SAMPLES_PER_FRAME)
        latents = books.latents(monotone, registers)
        num_frames = min(len(latents), len(audio) // SAMPLES_PER_FRAME)
        if num_frames >= WINDOW_FRAMES:
            pairs.append((torch.from_numpy(audio[: num_frames * SAMPLES_PER_FRAME]), latents[:num_frames]))
    return pairs


def draw(
    pairs: list[tuple[torch.Tensor, torch.Tensor]], generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of windows at any loudness."""
    audios, targets = [], []
    for row in torch.randint(len(pairs), (BATCH,), generator=generator):
        audio, latents = pairs[row]
        start = int(torch.randint(len(latents) - WINDOW_FRAMES + 1, (), generator=generator))
        end = start + WINDOW_FRAMES
        audios.append(audio[start * SAMPLES_PER_FRAME : end * SAMPLES_PER_FRAME])
        targets.append(latents[start:end])
    louder = torch.exp(torch.randn(BATCH, 1, generator=generator) * LOUDNESS_SPREAD)
    return torch.stack(audios) * louder, torch.stack(targets)


def losses(codec: Qwen3TTSTokenizerV2Model, audio: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Squared errors of the components and of the register's channels."""
    errors = (latents_heard(codec, audio) - targets) ** 2
    return torch.stack([errors[..., :NUM_COMPONENTS].sum(-1).mean(), errors[..., NUM_COMPONENTS:].sum(-1).mean()])


def train(codec: Qwen3TTSTokenizerV2Model, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """AdamW with a cosine decay; saves the speech tokenizer on the way."""
    codec.requires_grad_(False)
    parts = (codec.encoder.encoder, codec.encoder.encoder_transformer, codec.encoder.downsample)
    parameters = [parameter.requires_grad_() for part in parts for parameter in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, NUM_STEPS, eta_min=LAST_LEARNING_RATE)
    generator = torch.Generator().manual_seed(SEED)
    started, total = time.perf_counter(), np.zeros(2)
    weights = torch.tensor([1.0, REGISTER_WEIGHT])
    for step in range(1, NUM_STEPS + 1):
        wrong = losses(codec, *draw(pairs, generator))
        optimizer.zero_grad()
        (wrong * weights).sum().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        total += wrong.detach().numpy()
        if step % 50 == 0:
            pace = (time.perf_counter() - started) / step
            print(f"step {step} components, register {(total / 50).round(3)} {pace:.3f} s/step", flush=True)
            total[:] = 0
        if step % SAVE_EVERY == 0 or step == NUM_STEPS:
            save_codec(codec)


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(SEED)
    pairs = utterances(CodeBooks.load())
    variance = torch.cat([latents for _, latents in pairs])[:, :NUM_COMPONENTS].var(0).sum()
    print(f"variance of the components {variance:.3f}", flush=True)
    train(load_codec(), pairs)


if __name__ == "__main__":
    main()
