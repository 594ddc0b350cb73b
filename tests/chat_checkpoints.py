"""Small chat checkpoints of random weights, laid out as the published ones: what is written means nothing, but depends
on every part of the model."""

import json
from pathlib import Path

import torch
from tokenizers import AddedToken
from transformers import Qwen2TokenizerFast, Qwen3Config, Qwen3ForCausalLM

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


def write_random_chat(folder: Path, *, seed: int = 0, **generation: object) -> Path:
    """A checkpoint in `folder`; `generation` goes into its generation_config.json."""
    tokenizer = Qwen2TokenizerFast.from_pretrained(TOKENIZER.parent)
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in ("<think>", "</think>")])
    tokenizer.chat_template = TEMPLATE.strip("\n")
    tokenizer.save_pretrained(folder)
    end, text_end = (tokenizer.convert_tokens_to_ids(name) for name in ("<|im_end|>", "<|endoftext|>"))
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
