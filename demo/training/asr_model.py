"""The demo recogniser's processor and model: transformers' Qwen3-ASR classes, small."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer
from torch import nn
from transformers import GenerationConfig, PreTrainedModel
from transformers.models.qwen2 import Qwen2Tokenizer
from transformers.models.qwen3_asr import (
    Qwen3ASRConfig,
    Qwen3ASRFeatureExtractor,
    Qwen3ASRForConditionalGeneration,
    Qwen3ASRProcessor,
)

from demo.training.tokenizer import train_tokenizer, with_characters

VOCAB_SIZE = 640  # at most; Chinese characters come on top
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>")
# Not special: the processor reads `<asr_text>` in text decoded without special tokens.
MARKERS = ("<asr_text>", "<timestamp>")
WHOLE_WORDS = ("system", "user", "assistant", "language", " English", " None")
EMBEDDING_DEVIATION = 0.04
# System turn (context), user turn (audio), assistant turn: always the three of them, whatever was given.
CHAT_TEMPLATE = """\
{%- macro text_of(role) -%}
    {%- for message in messages if message.role == role -%}
        {%- if message.content is string -%}{{- message.content -}}
        {%- else -%}{%- for part in message.content if part.type == 'text' -%}{{- part.text -}}{%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro -%}
{{- '<|im_start|>system\\n' + text_of('system') + '<|im_end|>\\n<|im_start|>user\\n' -}}
{%- for message in messages if message.content is not string -%}
    {%- for part in message.content if part.type == 'audio' -%}
        {{- '<|audio_start|><|audio_pad|><|audio_end|>' -}}
    {%- endfor -%}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- if messages[-1].role == 'assistant' -%}
    {{- '<|im_start|>assistant\\n' + text_of('assistant') + '<|im_end|>\\n' -}}
{%- elif add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def build_processor(texts: Sequence[str]) -> Qwen3ASRProcessor:
    """The published processor around a small tokenizer trained on `texts`."""
    tokenizer = train_tokenizer(texts, VOCAB_SIZE - len(MARKERS), SPECIAL_TOKENS, whole_words=WHOLE_WORDS)
    tokenizer.add_tokens([AddedToken(marker, normalized=False, special=False) for marker in MARKERS])
    return processor_around(tokenizer, CHAT_TEMPLATE)


def processor_around(tokenizer: Tokenizer, chat_template: str) -> Qwen3ASRProcessor:
    """`tokenizer` holds SPECIAL_TOKENS and MARKERS."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(f"{folder}/tokenizer.json")
        wrapped = Qwen2Tokenizer.from_pretrained(
            folder,
            eos_token="<|im_end|>",
            pad_token="<|endoftext|>",
            audio_token="<|audio_pad|>",
            audio_bos_token="<|audio_start|>",
            audio_eos_token="<|audio_end|>",
        )
    return Qwen3ASRProcessor(Qwen3ASRFeatureExtractor(), wrapped, chat_template=chat_template)


def build_model(tokenizer: Qwen2Tokenizer, *, num_decoder_layers: int = 3) -> Qwen3ASRForConditionalGeneration:
    """An untrained model of about 1.3 M parameters."""
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in (*SPECIAL_TOKENS, *MARKERS)}
    end_ids = [ids["<|endoftext|>"], ids["<|im_end|>"]]
    config = Qwen3ASRConfig(
        audio_config={
            "d_model": 128,
            "encoder_layers": 3,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 512,
            "downsample_hidden_size": 24,
            "output_dim": 128,
        },
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 320,
            "num_hidden_layers": num_decoder_layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            "max_position_embeddings": 65536,
            "tie_word_embeddings": True,
            "initializer_range": EMBEDDING_DEVIATION,
        },
        audio_token_id=ids["<|audio_pad|>"],
        timestamp_token_id=ids["<timestamp>"],
        pad_token_id=ids["<|im_end|>"],
        eos_token_id=end_ids,
    )
    model = Qwen3ASRForConditionalGeneration(config)
    _reset_audio_layers(model)
    model.generation_config = GenerationConfig(
        eos_token_id=end_ids, pad_token_id=ids["<|im_end|>"], do_sample=False, max_new_tokens=512
    )
    return model


def _reset_audio_layers(model: Qwen3ASRForConditionalGeneration) -> None:
    """The class starts all weights at a deviation of 0.02: at this size sound drowns in the position embeddings."""
    tower = model.model.audio_tower
    for layer in (*tower.modules(), *model.model.multi_modal_projector.modules()):
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    for layer in (tower.conv2d1, tower.conv2d2, tower.conv2d3, tower.conv_out):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def with_chinese(
    processor: Qwen3ASRProcessor, model: Qwen3ASRForConditionalGeneration, characters: Sequence[str]
) -> tuple[Qwen3ASRProcessor, Qwen3ASRForConditionalGeneration]:
    """Both with a token for each of `characters` and one decoder layer more; what they knew, they still do.

    The new layer adds nothing before it is trained.
    """
    tokenizer = with_characters(processor.tokenizer.backend_tokenizer, characters)
    wider = processor_around(tokenizer, processor.chat_template)
    num_layers = model.config.text_config.num_hidden_layers
    deeper = build_model(wider.tokenizer, num_decoder_layers=num_layers + 1)
    embedding = deeper.get_input_embeddings().weight.detach().clone()
    for token, old_id in processor.tokenizer.get_vocab().items():
        embedding[wider.tokenizer.convert_tokens_to_ids(token)] = model.get_input_embeddings().weight[old_id].detach()
    weights = model.state_dict() | {"model.language_model.embed_tokens.weight": embedding, "lm_head.weight": embedding}
    missing = deeper.load_state_dict(weights, strict=False).missing_keys
    for name in missing:
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.zeros_(deeper.get_parameter(name))
    return wider, deeper


def save(processor: Qwen3ASRProcessor, model: PreTrainedModel, folder: Path) -> None:
    """Write the checkpoint beside `folder`, then put it in its place."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    model.save_pretrained(fresh)
    processor.save_pretrained(fresh)
    for file in fresh.iterdir():
        file.chmod(0o644)  # safetensors writes files that only their owner reads
    _replace(folder, fresh)


def publish(work: Path, folder: Path) -> None:
    """Put a copy of `work` in the place of `folder`."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.copytree(work, fresh)
    _replace(folder, fresh)


def _replace(folder: Path, fresh: Path) -> None:
    old = folder.with_name(folder.name + ".old")
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
