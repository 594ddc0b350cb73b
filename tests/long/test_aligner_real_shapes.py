"""The real shapes: every tensor of the published aligner is read, none is missed, and it runs on a CPU."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import Qwen3ASRConfig
from transformers.models.qwen3_asr import Qwen3ASRForTokenClassification, Qwen3ASRProcessor

from perf.gpu.asr_checkpoint import asr_config, asr_shapes
from perf.gpu.random_checkpoint import random_tensors
from qwen_engine.aligner.checkpoint import AlignerCheckpoint
from qwen_engine.aligner.timer import AlignerTimer
from qwen_engine.aligner.words import split_words
from tests.parity.upstream_asr import spoken_clips

DEMO = Path(__file__).resolve().parents[2] / "demo" / "checkpoints" / "aligner"
NUM_CLASSES, VOCABULARY = 5000, 152064
TEXT = "Good morning everyone, the meeting starts at nine."
CLIP_S = 9.5  # two windows of the encoder


def aligner_config() -> dict[str, Any]:
    """Qwen3-ForcedAligner-0.6B: the large recogniser's encoder, the small one's language model."""
    config, large = asr_config("0.6b"), asr_config("1.7b")
    config["audio_config"] = {**large["audio_config"], "output_dim": config["text_config"]["hidden_size"]}
    config["text_config"]["vocab_size"] = VOCABULARY
    return {**config, "id2label": {str(label): f"LABEL_{label}" for label in range(NUM_CLASSES)}}


def aligner_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {**asr_shapes(config), "score.weight": (NUM_CLASSES, config["text_config"]["hidden_size"])}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Random weights; the text's tokens are those of the demo checkpoint."""
    folder = tmp_path_factory.mktemp("aligner") / "checkpoint"
    shutil.copytree(DEMO, folder)
    told, config = json.loads((DEMO / "config.json").read_bytes()), aligner_config()
    for name in ("audio_token_id", "timestamp_token_id"):
        config[name] = told[name]
    (folder / "config.json").write_text(json.dumps(config))
    tensors = random_tensors(aligner_shapes(config), torch.Generator().manual_seed(0), torch.bfloat16)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_the_shapes_are_those_of_the_official_class():
    config = aligner_config()
    with torch.device("meta"):
        official = Qwen3ASRForTokenClassification(Qwen3ASRConfig(**config))
    assert {name: tuple(value.shape) for name, value in official.state_dict().items()} == aligner_shapes(config)


@torch.inference_mode()
def upstream_classes(folder: Path, clip: np.ndarray) -> list[int]:
    processor: Any = Qwen3ASRProcessor.from_pretrained(folder)
    model: Any = Qwen3ASRForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    inputs, _ = processor.prepare_forced_aligner_inputs([clip], [TEXT])
    marks = inputs["input_ids"] == model.config.timestamp_token_id
    return model(**inputs).logits.argmax(-1)[marks].tolist()


def test_every_tensor_is_read_and_the_classes_are_upstreams(folder):
    clip = next(clip for clip in spoken_clips(8, seed=4) if len(clip) > CLIP_S * 16000)[: int(CLIP_S * 16000)]
    checkpoint = AlignerCheckpoint(folder, dtype=torch.float32, device="cpu", max_positions=512)
    assert checkpoint.weights.unused() == []
    assert checkpoint.longest_s == 400
    after = checkpoint.prompts.after([unit for word in split_words(TEXT) for unit in word.units])
    (classes,) = checkpoint.classes([(clip, after)])
    timed = AlignerTimer(checkpoint, 30.0).times(clip, TEXT, "English", chars=False)
    assert [word.text for word in timed] == TEXT.split()
    del checkpoint
    assert classes == upstream_classes(folder, clip)
