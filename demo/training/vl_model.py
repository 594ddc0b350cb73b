"""The demo checkpoint that sees: transformers' Qwen3-VL classes, as small as four words about a picture need."""

import json
import shutil
from pathlib import Path

import torch
from transformers import GenerationConfig, Qwen2Tokenizer, Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from demo.training.image_text import VISION_TOKENS

HIDDEN = 128
INITIAL_SPREAD = 0.08  # of the weights; the usual 0.02 is for layers many times as wide
PLACE_SPREAD = 0.5  # of the position embeddings; weaker ones drown in the patches, and places are never learned
PATCH_PX, MERGED = 8, 2
PIXELS = {"shortest_edge": 64 * 64, "longest_edge": 96 * 64}  # every square picture is seen as 64×64
# Of the official template what we use: turns of text and pictures.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' -}}
    {%- if message.content is string -%}
        {{- message.content -}}
    {%- else -%}
        {%- for part in message.content -%}
            {{- '<|vision_start|><|image_pad|><|vision_end|>' if part.type == 'image' else part.text -}}
        {%- endfor -%}
    {%- endif -%}
    {{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def new_model(tokenizer: Qwen2Tokenizer) -> Qwen3VLForConditionalGeneration:
    """Untrained: 1.4 million parameters."""
    ids = dict(zip(VISION_TOKENS, tokenizer.convert_tokens_to_ids(list(VISION_TOKENS)), strict=True))
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": HIDDEN,
            "intermediate_size": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "max_position_embeddings": 2048,
            "initializer_range": INITIAL_SPREAD,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [6, 5, 5], "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 3,
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_heads": 4,
            "patch_size": PATCH_PX,
            "spatial_merge_size": MERGED,
            "num_position_embeddings": 64,
            "out_hidden_size": HIDDEN,
            "deepstack_visual_indexes": [0, 1],
            "initializer_range": INITIAL_SPREAD,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )  # fmt: skip
    model = Qwen3VLForConditionalGeneration(config)
    torch.nn.init.normal_(model.model.visual.pos_embed.weight, std=PLACE_SPREAD)
    return model


def new_image_processor() -> Qwen2VLImageProcessorPil:
    return Qwen2VLImageProcessorPil(
        size=PIXELS, patch_size=PATCH_PX, merge_size=MERGED, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


def save(model: Qwen3VLForConditionalGeneration, tokenizer: Qwen2Tokenizer, folder: Path) -> None:
    """A checkpoint folder as published ones are, in half precision; nobody ever reads half of one."""
    fresh = folder.with_name(f".{folder.name}-fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    stored = Qwen3VLForConditionalGeneration(model.config).half()
    stored.load_state_dict(model.state_dict())
    stored.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]),
        pad_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
    )
    stored.save_pretrained(fresh)
    tokenizer.save_pretrained(fresh)
    (fresh / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    _describe_processor(fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _describe_processor(folder: Path) -> None:
    """By the names that upstream gives its classes, which also want to know of videos."""
    pictures = new_image_processor().to_dict()
    pictures.update(image_processor_type="Qwen2VLImageProcessorFast", processor_class="Qwen3VLProcessor")
    videos = {"video_processor_type": "Qwen3VLVideoProcessor", "processor_class": "Qwen3VLProcessor", "size": PIXELS}
    for name, described in (("preprocessor_config", pictures), ("video_preprocessor_config", videos)):
        (folder / f"{name}.json").write_text(json.dumps(described, indent=2) + "\n")
