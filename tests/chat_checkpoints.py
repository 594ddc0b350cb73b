"""Small chat checkpoints of random weights, laid out as the published ones: what is written means nothing, but depends
on every part of the model."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken
from transformers import Qwen2TokenizerFast, Qwen3Config, Qwen3ForCausalLM

from perf.gpu.asr_checkpoint import decoder_shapes
from perf.gpu.random_checkpoint import random_tensors

HOME = Path(__file__).resolve().parents[1]
TOKENIZER = HOME / "demo/checkpoints/asr/tokenizer.json"
TEMPLATE = """
{%- for message in messages -%}
{%- set content = message.content -%}
{%- if message.role == 'assistant' and '</think>' in content -%}
{%- set content = content.split('</think>')[-1].lstrip('\\n') -%}
{%- endif -%}
<|im_start|>{{ message.role }}
{{ content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false -%}
<think>

</think>

{% endif -%}
{%- endif -%}
"""
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 1024,
    "initializer_range": 0.6,  # so large that answers do not go round in circles
}


# config.json of Qwen/Qwen3-0.6B.
PUBLISHED = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "max_position_embeddings": 40960,
    "max_window_layers": 28,
    "model_type": "qwen3",
    "num_attention_heads": 16,
    "num_hidden_layers": 28,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}


def published_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Tensors of the checkpoint's model.safetensors by name."""
    head = {} if config["tie_word_embeddings"] else {"lm_head.weight": (config["vocab_size"], config["hidden_size"])}
    return dict(decoder_shapes(config, below="model.")) | head


def write_published_shapes(folder: Path, config: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    """Random bfloat16 weights of `shapes` in `folder`. Tokens are those of the demo: its ids are smaller."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config))
    generation = {
        "do_sample": True,
        "eos_token_id": _end_ids(tokenizer),
        "temperature": 0.6,
        "top_k": 20,
        "top_p": 0.95,
    }
    (folder / "generation_config.json").write_text(json.dumps(generation))
    tensors = random_tensors(shapes, torch.Generator().manual_seed(0), torch.bfloat16)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _tokenizer() -> Qwen2TokenizerFast:
    tokenizer = Qwen2TokenizerFast.from_pretrained(TOKENIZER.parent)
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in ("<think>", "</think>")])
    tokenizer.chat_template = TEMPLATE.strip("\n")
    return tokenizer


def _end_ids(tokenizer: Qwen2TokenizerFast) -> list[int]:
    return [tokenizer.convert_tokens_to_ids(name) for name in ("<|im_end|>", "<|endoftext|>")]


def write_random_chat(folder: Path, *, seed: int = 0, **generation: object) -> Path:
    """A checkpoint in `folder`; `generation` goes into its generation_config.json."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    end, text_end = _end_ids(tokenizer)
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer) + 11,  # published ones have rows without a token, too
        tie_word_embeddings=True,
        eos_token_id=end,
        bos_token_id=text_end,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        **SIZES,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    settings = {"eos_token_id": [end, text_end], "pad_token_id": text_end, **generation}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return folder
