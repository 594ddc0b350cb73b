"""A stream of ten minutes is, sample by sample, what one decode of all its codes gives."""

from pathlib import Path

import torch

from qwen_engine.tts.checkpoint import load_codec
from tests.parity.official import CHECKPOINTS

NUM_FRAMES = 7500
CHUNK_FRAMES = 25
TOLERANCE = 1e-4


def test_ten_minutes():
    torch.set_num_threads(1)
    codec = load_codec(Path(CHECKPOINTS / "tts"), dtype=torch.float32, device="cpu", num_slots=2)
    codes = torch.randint(0, 256, (1, NUM_FRAMES, 8), generator=torch.Generator().manual_seed(0))
    whole = codec.decode(codes, torch.tensor([0]))[0]
    parts = [codec.decode(chunk, torch.tensor([1]))[0] for chunk in codes.split(CHUNK_FRAMES, dim=1)]
    streamed = torch.cat(parts)
    assert len(streamed) == NUM_FRAMES * 1920
    torch.testing.assert_close(streamed, whole, atol=TOLERANCE, rtol=0)
