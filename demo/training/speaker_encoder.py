"""Train the cloning checkpoint's speaker encoder: python -m demo.training.speaker_encoder

It learns to hear the eight numbers of a voice (see `voice_space`) in natural speech, to build/training/
speaker_encoder.pt. When the checkpoint is written, the talker's projection of those numbers becomes its last layer.
"""

import copy
import random
import time

import numpy as np
import soxr
import torch
from safetensors.torch import load_file
from torch import nn

from demo.training.speech import Voice
from demo.training.tts_config import (
    BASE_FOLDER,
    BUILD,
    SAMPLE_RATE_HZ,
    SPEAKER_SHARD,
    Qwen3TTSSpeakerEncoder,
    mel_spectrogram,
    tts_config,
)
from demo.training.tts_data import training_texts
from demo.training.tts_speech import spoken
from demo.training.tts_voices import training_voice, unseen_voice
from demo.training.voice_space import DIMENSION, PITCH_SPREAD, SPEED_SPREAD, describe, describe_prosody

FILE = BUILD / "speaker_encoder.pt"
NUM_THREADS = 1
SEED = 37
NUM_UTTERANCES = 4500
NUM_UNSEEN = 100
NUM_STEPS = 2200
BATCH = 16
SHORTEST_CROP, LONGEST_CROP = 100, 260  # mel frames of 10.7 ms
LEARNING_RATE = 2e-3
LOUDNESS_SPREAD = 0.5  # of the natural logarithm: a reference may be recorded at any level
COLOUR_SPREAD, NUM_COLOURS = 0.6, 6  # of smooth curves over the bands: it must not tell the pitch by the timbre
SLOWEST, FASTEST = 0.8, 1.25  # replayed faster, every voice is another one: higher, quicker and smaller
WEIGHTS = torch.tensor([4.0, 2.0] + [0.3] * (DIMENSION - 2))
MEL_MEAN, MEL_SPREAD = -5.0, 2.5  # about: it learns from centred input, and the first layer then does the centring
WARM_UP = 0.1
NUM_BANDS = 128


def mel(audio: np.ndarray) -> torch.Tensor:
    """(frames, bands) of `audio` (24 kHz), as the official class computes it."""
    spectrogram = mel_spectrogram(
        torch.from_numpy(audio).unsqueeze(0), n_fft=1024, num_mels=NUM_BANDS, sampling_rate=SAMPLE_RATE_HZ,
        hop_size=256, win_size=1024, fmin=0, fmax=12000,
    )  # fmt: skip
    return spectrogram[0].T


def hear(voices: list[Voice], seed: int, factors: np.ndarray) -> list[torch.Tensor]:
    """Mel spectrogram of a training text in each of `voices`, replayed faster by its factor."""
    heard = []
    for text, voice, factor in zip(training_texts(len(voices), seed), voices, factors, strict=True):
        replayed = soxr.resample(spoken(text, voice), SAMPLE_RATE_HZ * factor, SAMPLE_RATE_HZ)
        heard.append(mel(replayed.clip(-1, 1)))
    return heard


def random_colours(generator: torch.Generator) -> torch.Tensor:
    """(batch, 1, bands): what microphones and unseen voices do to a spectrum."""
    bands = (torch.arange(NUM_BANDS) + 0.5) / NUM_BANDS
    curves = torch.cos(torch.pi * torch.arange(1, NUM_COLOURS + 1)[:, None] * bands)
    return (torch.randn(BATCH, NUM_COLOURS, generator=generator) * COLOUR_SPREAD @ curves).unsqueeze(1)


def build(dimension: int) -> Qwen3TTSSpeakerEncoder:
    config = copy.deepcopy(tts_config("base").speaker_encoder_config)
    config.enc_dim = dimension
    return Qwen3TTSSpeakerEncoder(config)


def load_published() -> Qwen3TTSSpeakerEncoder:
    """The encoder of the cloning checkpoint, the talker's projection included."""
    weights = load_file(BASE_FOLDER / SPEAKER_SHARD)
    encoder = build(tts_config("base").speaker_encoder_config.enc_dim)
    encoder.load_state_dict({name.removeprefix("speaker_encoder."): one.float() for name, one in weights.items()})
    return encoder.eval()


def train(encoder: Qwen3TTSSpeakerEncoder, mels: list[torch.Tensor], targets: torch.Tensor) -> None:
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=NUM_STEPS, pct_start=WARM_UP)
    generator = torch.Generator().manual_seed(SEED)
    started, total = time.perf_counter(), torch.zeros(DIMENSION)
    for step in range(1, NUM_STEPS + 1):
        rows = torch.randint(len(mels), (BATCH,), generator=generator)
        shortest = min(len(mels[row]) for row in rows)
        crop = min(shortest, int(torch.randint(SHORTEST_CROP, LONGEST_CROP, (), generator=generator)))
        starts = [int(torch.randint(len(mels[row]) - crop + 1, (), generator=generator)) for row in rows]
        batch = torch.stack([mels[row][start : start + crop] for row, start in zip(rows, starts, strict=True)])
        louder = torch.randn(BATCH, 1, 1, generator=generator) * LOUDNESS_SPREAD + random_colours(generator)
        errors = (encoder((batch + louder - MEL_MEAN) / MEL_SPREAD) - targets[rows]) ** 2
        optimizer.zero_grad()
        (errors * WEIGHTS).mean().backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += errors.detach().mean(0)
        if step % 100 == 0:
            pace = (time.perf_counter() - started) / step
            print(f"step {step} squared errors {(total / 100).numpy().round(3)} {pace:.3f} s/step", flush=True)
            total.zero_()


@torch.no_grad()
def take_over_centring(encoder: Qwen3TTSSpeakerEncoder) -> None:
    """From now on `encoder` takes what `mel` gives."""
    first = encoder.blocks[0].conv
    first.weight /= MEL_SPREAD
    first.bias -= MEL_MEAN * first.weight.sum((1, 2))


@torch.no_grad()
def report(encoder: Qwen3TTSSpeakerEncoder) -> None:
    """How well pitch and speed of unseen voices are heard."""
    rng = random.Random(SEED + 1)
    voices = [unseen_voice(rng) for _ in range(NUM_UNSEEN)]
    heard = torch.cat([encoder(one.unsqueeze(0)) for one in hear(voices, SEED + 1, np.ones(NUM_UNSEEN))])[:, :2].numpy()
    true = np.stack([describe_prosody(voice) for voice in voices])
    errors = np.abs(heard - true).mean(0) * (PITCH_SPREAD, SPEED_SPREAD)
    print(f"unseen voices, mean error: pitch {errors[0]:.1%}, speed {errors[1]:.1%}", flush=True)


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    torch.manual_seed(SEED)
    rng = random.Random(SEED)
    voices = [training_voice(rng) for _ in range(NUM_UTTERANCES)]
    factors = np.array([rng.uniform(SLOWEST, FASTEST) for _ in voices])
    numbers = np.stack([describe(voice) for voice in voices])
    numbers[:, :2] += np.log(factors)[:, None] / (PITCH_SPREAD, SPEED_SPREAD)
    encoder = build(DIMENSION)
    train(encoder, hear(voices, SEED, factors), torch.from_numpy(numbers))
    take_over_centring(encoder)
    torch.save(encoder.state_dict(), FILE)
    report(encoder.eval())


if __name__ == "__main__":
    main()
