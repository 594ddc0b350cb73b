"""A Qwen3-ASR checkpoint folder of the published shapes with random weights: real files, nothing to hear.

write_checkpoint(folder, asr_config("0.6b"), dtype=torch.bfloat16, device="cuda:0")
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors.torch import save_file

from perf.gpu.random_checkpoint import random_tensors

Json: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = tuple[int, ...]

DEMO = Path(__file__).resolve().parents[2] / "demo" / "checkpoints" / "asr"
COPIED = ("tokenizer.json", "tokenizer_config.json", "processor_config.json", "chat_template.jinja")
SIZES = {  # encoder: layers, width, heads, inner width; language model: width, inner width
    "0.6b": ((18, 896, 14, 3584), (1024, 3072)),
    "1.7b": ((24, 1024, 16, 4096), (2048, 6144)),
}
EOS_IDS = [151643, 151645]
NUM_CONVOLVED_BINS = 16  # of 128, halved three times
SEED = 0


def asr_config(model: str) -> dict[str, Any]:
    """config.json of Qwen/Qwen3-ASR-{0.6B,1.7B}-hf, `model` being a key of `SIZES`."""
    (num_layers, width, num_heads, inner), (hidden_size, intermediate_size) = SIZES[model]
    audio = {
        "model_type": "qwen3_asr_encoder",
        "activation_function": "gelu",
        "d_model": width,
        "downsample_hidden_size": 480,
        "encoder_attention_heads": num_heads,
        "encoder_ffn_dim": inner,
        "encoder_layers": num_layers,
        "n_window": 50,
        "n_window_infer": 800,
        "num_mel_bins": 128,
        "output_dim": hidden_size,
    }
    text = {
        "model_type": "qwen3",
        "head_dim": 128,
        "hidden_size": hidden_size,
        "intermediate_size": intermediate_size,
        "max_position_embeddings": 65536,
        "num_attention_heads": 16,
        "num_hidden_layers": 28,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"},
        "tie_word_embeddings": True,
        "vocab_size": 151936,
    }
    return {
        "model_type": "qwen3_asr",
        "audio_config": audio,
        "audio_token_id": 151676,
        "eos_token_id": EOS_IDS,
        "pad_token_id": EOS_IDS[-1],
        "text_config": text,
        "tie_word_embeddings": True,
        "timestamp_token_id": 151705,
    }


def asr_shapes(config: Json) -> dict[str, Shape]:
    """Tensors of the checkpoint's model.safetensors by name."""
    text = decoder_shapes(config["text_config"], below="model.language_model.")
    return dict([*_encoder(config["audio_config"]), *text])


def write_checkpoint(folder: Path, config: Json, *, dtype: torch.dtype, device: str) -> None:
    """Weights are drawn on `device`. The text's tokens are those of the demo checkpoint: its ids are smaller."""
    folder.mkdir(parents=True)
    for name in COPIED:
        shutil.copy(DEMO / name, folder / name)
    told = json.loads((DEMO / "config.json").read_text())
    config = {**config, "audio_token_id": told["audio_token_id"]}
    generation = {"do_sample": False, "eos_token_id": EOS_IDS, "pad_token_id": EOS_IDS[-1]}
    for name, content in (("config", config), ("generation_config", generation)):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    tensors = random_tensors(asr_shapes(config), torch.Generator(device).manual_seed(SEED), dtype)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _encoder(config: Json) -> Iterator[tuple[str, Shape]]:
    width, inner, channels = config["d_model"], config["encoder_ffn_dim"], config["downsample_hidden_size"]
    tower, projector = "model.audio_tower.", "model.multi_modal_projector."
    for index in range(3):
        yield from _with_bias(f"{tower}conv2d{index + 1}", (channels, channels if index else 1, 3, 3))
    yield f"{tower}conv_out.weight", (width, channels * NUM_CONVOLVED_BINS)
    for index in range(config["encoder_layers"]):
        layer = f"{tower}layers.{index}."
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _with_bias(f"{layer}self_attn.{part}", (width, width))
        yield from _with_bias(f"{layer}fc1", (inner, width))
        yield from _with_bias(f"{layer}fc2", (width, inner))
        for part in ("self_attn_layer_norm", "final_layer_norm"):
            yield from _with_bias(layer + part, (width,))
    yield from _with_bias(f"{tower}ln_post", (width,))
    yield from _with_bias(f"{projector}linear_1", (width, width))
    yield from _with_bias(f"{projector}linear_2", (config["output_dim"], width))


def decoder_shapes(config: Json, *, below: str) -> Iterator[tuple[str, Shape]]:
    """Tensors of a Qwen3 decoder whose names begin with `below`."""
    hidden, inner, head_dim = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = (config[f"num_{kind}_heads"] * head_dim for kind in ("attention", "key_value"))
    yield f"{below}embed_tokens.weight", (config["vocab_size"], hidden)
    yield f"{below}norm.weight", (hidden,)
    for index in range(config["num_hidden_layers"]):
        layer = f"{below}layers.{index}."
        for part, width in (("q", queries), ("k", keys), ("v", keys)):
            yield f"{layer}self_attn.{part}_proj.weight", (width, hidden)
        yield f"{layer}self_attn.o_proj.weight", (hidden, queries)
        for part in "qk":
            yield f"{layer}self_attn.{part}_norm.weight", (head_dim,)
        for part in ("gate", "up"):
            yield f"{layer}mlp.{part}_proj.weight", (inner, hidden)
        yield f"{layer}mlp.down_proj.weight", (hidden, inner)
        for part in ("input_layernorm", "post_attention_layernorm"):
            yield f"{layer}{part}.weight", (hidden,)


def _with_bias(name: str, shape: Shape) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]
