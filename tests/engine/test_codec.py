"""The streaming codec: however a stream is cut and whoever shares its forward, the samples are those of one decode."""

import random
from itertools import cycle, repeat
from pathlib import Path

import pytest
import torch

from qwen_engine.tts.checkpoint import load_codec
from qwen_engine.tts.codec import StreamingCodec

FOLDER = Path(__file__).resolve().parents[2] / "demo" / "checkpoints" / "tts"
NUM_SLOTS = 5
NUM_FRAMES = 160  # more than twice the attention window
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def codec() -> StreamingCodec:
    torch.set_num_threads(1)
    return load_codec(FOLDER, dtype=torch.float32, device="cpu", num_slots=NUM_SLOTS)


def random_codes(num_streams: int, num_frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (num_streams, num_frames, 8), generator=torch.Generator().manual_seed(seed))


def decode(codec: StreamingCodec, codes: torch.Tensor, slot: int, sizes) -> torch.Tensor:
    """The samples of one stream, codes (frames, groups), decoded in chunks of `sizes`."""
    codec.reset(slot)
    parts, start = [], 0
    while start < len(codes):
        size = next(sizes)
        parts.append(codec.decode(codes[None, start : start + size], torch.tensor([slot]))[0])
        start += size
    return torch.cat(parts)


def random_sizes(seed: int):
    rng = random.Random(seed)
    return iter(lambda: rng.randint(1, 40), None)


CHUNKINGS = {
    "ones": lambda: repeat(1),
    "ramp": lambda: iter((1, 2, 4, 8, *repeat(12, 100))),
    "25": lambda: repeat(25),
    "7 and 1": lambda: cycle((7, 1)),
    **{f"random {seed}": lambda seed=seed: random_sizes(seed) for seed in range(4)},
}


@pytest.mark.parametrize("chunking", CHUNKINGS)
def test_chunks_are_exactly_the_whole(codec, chunking):
    codes = random_codes(1, NUM_FRAMES)[0]
    whole = decode(codec, codes, 0, repeat(NUM_FRAMES))
    streamed = decode(codec, codes, 3, CHUNKINGS[chunking]())
    assert len(streamed) == NUM_FRAMES * codec.samples_per_frame
    torch.testing.assert_close(streamed, whole, atol=TOLERANCE, rtol=0)


def test_streams_at_different_positions_share_a_forward(codec):
    codes = random_codes(NUM_SLOTS, NUM_FRAMES, seed=1)
    alone = [decode(codec, one, 0, repeat(25)) for one in codes]
    for slot in range(NUM_SLOTS):
        codec.reset(slot)
    rng = random.Random(2)
    positions = [0] * NUM_SLOTS
    parts: list[list[torch.Tensor]] = [[] for _ in range(NUM_SLOTS)]
    while min(positions) < NUM_FRAMES:
        size = rng.choice((1, 2, 5))
        ready = [slot for slot in range(NUM_SLOTS) if positions[slot] + size <= NUM_FRAMES and rng.random() < 0.6]
        if not ready:
            ready, size = [min(range(NUM_SLOTS), key=positions.__getitem__)], 1
        batch = torch.stack([codes[slot, positions[slot] : positions[slot] + size] for slot in ready])
        for slot, samples in zip(ready, codec.decode(batch, torch.tensor(ready)), strict=True):
            parts[slot].append(samples)
            positions[slot] += size
    for slot, expected in enumerate(alone):
        torch.testing.assert_close(torch.cat(parts[slot]), expected, atol=TOLERANCE, rtol=0)


def test_a_slot_remembers_nothing_of_its_last_stream(codec):
    codes = random_codes(1, 30, seed=4)[0]
    first = decode(codec, codes, 2, repeat(10))
    decode(codec, random_codes(1, 90, seed=5)[0], 2, repeat(30))
    torch.testing.assert_close(decode(codec, codes, 2, repeat(10)), first, atol=0, rtol=0)
