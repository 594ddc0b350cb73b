"""Audio is encoded on a thread of its own: every piece submitted is taken once, whenever that is."""

import dataclasses

import numpy as np
import pytest
import torch

from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.encoder_worker import EncoderWorker
from qwen_engine.asr.request import Piece
from qwen_engine.asr.settings import AsrSettings
from tests.parity.upstream_asr import CHECKPOINT

WAIT_S = 60.0


@pytest.fixture(scope="module")
def checkpoint() -> AsrCheckpoint:
    torch.set_num_threads(1)
    return AsrCheckpoint(AsrSettings(checkpoint=str(CHECKPOINT), max_batch=2))


@dataclasses.dataclass(frozen=True, eq=False)
class _Watched(Piece):
    """A piece during whose completion the results are taken."""

    worker: EncoderWorker = None
    taken: list = None

    @property
    def token_budget(self) -> int:
        self.taken.extend(self.worker.take()[0])
        return super().token_budget


def test_what_is_encoded_while_results_are_taken_is_not_lost(checkpoint):
    worker, taken = EncoderWorker(checkpoint, max_audio_s=10.0), []
    sound = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    pieces = [
        _Watched(sound, group=number, on_result=print, on_error=print, worker=worker, taken=taken)
        for number in range(3)
    ]
    worker.submit(pieces)
    while worker.wait(WAIT_S) and len(taken) < len(pieces):
        taken.extend(worker.take()[0])
    assert sorted(piece.group for piece in taken) == [0, 1, 2]
