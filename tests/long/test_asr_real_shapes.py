"""The real shapes: every tensor of the published layouts is read, none is missed, and the 0.6B model runs on a CPU."""

import gc

import numpy as np
import psutil
import pytest
import torch
from transformers import Qwen3ASRConfig, Qwen3ASRForConditionalGeneration

from perf.gpu.asr_checkpoint import SIZES, asr_config, asr_shapes, write_checkpoint
from qwen_engine.asr.checkpoint import AsrCheckpoint
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import AsrRequest
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.weights import Weights
from tests.parity.upstream_asr import UpstreamAsr, spoken_clips
from tests.recorder import run

MEMORY_LIMIT_GB = {"bfloat16": 5.0, "float32": 7.0}
NUM_TOKENS = 6
CLIP_S = 9.5  # two windows of the encoder


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return next(clip for clip in spoken_clips(8, seed=4) if len(clip) > CLIP_S * 16000)[: int(CLIP_S * 16000)]


def settings(folder, dtype: str) -> AsrSettings:
    return AsrSettings(checkpoint=str(folder), dtype=dtype, max_batch=2, max_positions=512, num_threads=2)


@pytest.mark.parametrize("model", SIZES)
def test_the_shapes_are_those_of_the_official_class(model):
    with torch.device("meta"):
        official = Qwen3ASRForConditionalGeneration(Qwen3ASRConfig(**asr_config(model)))
    shapes = {name: tuple(value.shape) for name, value in official.state_dict().items()}
    shapes.pop("lm_head.weight")  # tied
    assert asr_shapes(asr_config(model)) == shapes


@pytest.mark.parametrize("tied", [True, False])
def test_every_tensor_is_read_and_none_is_missed(tmp_path, monkeypatch, tied):
    """Without their content, which no part of the model looks at while it is loaded."""
    folder = tmp_path / "checkpoint"
    small = asr_config("1.7b")
    small["text_config"]["vocab_size"] = 1000
    shapes = asr_shapes(small) | ({} if tied else {"lm_head.weight": (1000, 2048)})
    monkeypatch.setattr("perf.gpu.asr_checkpoint.asr_shapes", lambda _: {"model.nothing": (1,)})
    write_checkpoint(folder, small, dtype=torch.bfloat16, device="cpu")

    class NamesOnly(Weights):
        def __init__(self, folder, *, dtype, device):
            self._homes, self._taken, self._dtype = dict.fromkeys(shapes, folder), set(), dtype

        def take(self, name):
            self._taken.add(name)
            return torch.empty(shapes[name], dtype=self._dtype)

    monkeypatch.setattr("qwen_engine.asr.checkpoint.Weights", NamesOnly)
    assert AsrCheckpoint(settings(folder, "bfloat16")).weights.unused() == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_the_small_model_writes_on_a_cpu_within_memory(tmp_path, clip, dtype):
    folder = tmp_path / "checkpoint"
    write_checkpoint(folder, asr_config("0.6b"), dtype=torch.bfloat16, device="cpu")
    gc.collect()
    before_gb = psutil.Process().memory_info().rss / 1e9
    engine = AsrEngine(settings(folder, dtype))
    assert engine.checkpoint.weights.unused() == []
    heard: list[tuple[int, ...]] = []
    hear = engine._hear
    engine._hear = lambda job, index, answer: (heard.append(answer.ids), hear(job, index, answer))
    (sink,) = run(engine, AsrRequest(clip, max_new_tokens=NUM_TOKENS))
    assert sink.outcome() in ("length", "stop")
    assert psutil.Process().memory_info().rss / 1e9 - before_gb < MEMORY_LIMIT_GB[dtype]
    if dtype == "float32":
        assert [list(ids) for ids in heard] == [UpstreamAsr(folder).answer(clip, NUM_TOKENS)]
