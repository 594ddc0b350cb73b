"""The real shapes: every tensor of the published layouts is read, none is missed, and the 0.6B model runs on a CPU."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from perf.gpu.random_checkpoint import write_checkpoint
from perf.gpu.shapes import CODEC, tts_config
from qwen_engine.tts.codec import CodecConfig, StreamingCodec
from qwen_engine.tts.config import TtsConfig
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import Speak
from qwen_engine.tts.settings import TtsSettings
from qwen_engine.tts.speaker import SpeakerEncoder
from qwen_engine.tts.talker import Talker
from qwen_engine.weights import Weights
from tests.recorder import run

KINDS = ("custom_voice", "voice_design", "base")
UNREAD_BY_A_DECODER = {f"decoder.quantizer.rvq_{part}.input_proj.weight" for part in ("first", "rest")}
MEMORY_LIMIT_GB = {"bfloat16": 6.0, "float32": 10.0}
NUM_FRAMES = 3


class NamesOnly(Weights):
    """Tensors without content."""

    def __init__(self, shapes: dict[str, list[int]]) -> None:
        self._shapes = shapes
        self._homes = dict.fromkeys(shapes, Path())
        self._taken = set()

    def take(self, name: str) -> torch.Tensor:
        self._taken.add(name)
        return torch.empty(self._shapes[name], device="meta")


def config_of(model: str, kind: str) -> dict:
    config = tts_config(model) | {"tts_model_type": kind}
    if kind == "base":
        config["speaker_encoder_config"] = {
            "enc_dim": config["talker_config"]["hidden_size"],
            "sample_rate": 24000,
        }
    return config


@pytest.fixture(scope="module")
def official_shapes(tmp_path_factory) -> dict[str, dict[str, list[int]]]:
    folder = tmp_path_factory.mktemp("names")
    configs = {f"{model} {kind}": config_of(model, kind) for model in ("0.6b", "1.7b") for kind in KINDS}
    for config in configs.values():
        rope = {"interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default", "type": "default"}
        config["talker_config"]["rope_scaling"] = rope
    (folder / "configs.json").write_text(json.dumps(configs | {"codec": CODEC}))
    python = Path(f"{sys.prefix}-tts") / "bin" / "python"
    script = Path(__file__).with_name("upstream_names.py")
    subprocess.run([python, script, folder / "configs.json", folder / "out.json"], check=True, timeout=600)
    return json.loads((folder / "out.json").read_text())


@pytest.mark.parametrize("model", ["0.6b", "1.7b"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_tensor_is_read_and_none_is_missed(official_shapes, tmp_path, model, kind):
    (tmp_path / "config.json").write_text(json.dumps(config_of(model, kind)))
    generation = {"do_sample": False, "subtalker_dosample": False, "repetition_penalty": 1.05}
    generation |= {f"{part}{name}": 1 for part in ("", "subtalker_") for name in ("temperature", "top_k", "top_p")}
    (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    config = TtsConfig.load(tmp_path)
    weights = NamesOnly(official_shapes[f"{model} {kind}"])
    Talker(config, weights, num_slots=1, length=64)
    if kind == "base":
        SpeakerEncoder(config.speaker_encoder, weights.below("speaker_encoder."))
    assert weights.unused() == []


def test_every_tensor_of_the_codec_s_decoder_is_read(official_shapes):
    weights = NamesOnly(official_shapes["codec"])
    StreamingCodec(CodecConfig.from_json(CODEC), weights.below("decoder."), num_slots=1)
    unread = {name for name in weights.unused() if not name.startswith("encoder.")}
    assert unread == UNREAD_BY_A_DECODER


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_the_small_model_speaks_on_a_cpu_within_memory(tmp_path, dtype):
    folder = tmp_path / "checkpoint"
    write_checkpoint(folder, tts_config("0.6b"), CODEC, dtype=torch.bfloat16, device="cpu")
    before_gb = psutil.Process().memory_info().rss / 1e9
    engine = TtsEngine(TtsSettings(checkpoint=str(folder), dtype=dtype, max_batch=2, max_positions=256, num_threads=2))
    requests = [
        Speak(text, max_audio_s=NUM_FRAMES / 12.5, seed=seed) for seed, text in enumerate(("Hello.", "Good day."))
    ]
    for sink in run(engine, *requests):
        assert sink.outcome() in ("length", "stop")
        samples = np.concatenate([chunk.samples for chunk in sink.events])
        assert np.isfinite(samples).all()
        assert len(samples) == 1920 * sink.events[-1].frames
    assert psutil.Process().memory_info().rss / 1e9 - before_gb < MEMORY_LIMIT_GB[dtype]
