"""Shapes of the published Qwen-Image checkpoints: their configurations, and every tensor of their files.

The numbers are those of the config.json files of Qwen/Qwen-Image (transformer, VAE, scheduler) and of
Qwen2.5-VL-7B-Instruct, its text encoder. Names and shapes are those of diffusers' and transformers' own classes, made
without content; the text encoder's file names its tensors as they were called when it was published.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

Shape: TypeAlias = tuple[int, ...]

MODEL_INDEX = {
    "_class_name": "QwenImagePipeline",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "Qwen2_5_VLForConditionalGeneration"],
    "tokenizer": ["transformers", "Qwen2Tokenizer"],
    "transformer": ["diffusers", "QwenImageTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKLQwenImage"],
}
TRANSFORMER = {
    "_class_name": "QwenImageTransformer2DModel",
    "attention_head_dim": 128,
    "axes_dims_rope": [16, 56, 56],
    "guidance_embeds": False,
    "in_channels": 64,
    "joint_attention_dim": 3584,
    "num_attention_heads": 24,
    "num_layers": 60,
    "out_channels": 16,
    "patch_size": 2,
}
VAE = {
    "_class_name": "AutoencoderKLQwenImage",
    "attn_scales": [],
    "base_dim": 96,
    "dim_mult": [1, 2, 4, 4],
    "dropout": 0.0,
    "latents_mean": [
        *(-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508),
        *(0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921),
    ],
    "latents_std": [
        *(2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743),
        *(3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160),
    ],
    "num_res_blocks": 2,
    "temperal_downsample": [False, True, True],
    "z_dim": 16,
}
SCHEDULER = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "base_image_seq_len": 256,
    "base_shift": 0.5,
    "max_image_seq_len": 8192,
    "max_shift": 0.9,
    "num_train_timesteps": 1000,
    "shift": 1.0,
    "shift_terminal": 0.02,
    "time_shift_type": "exponential",
    "use_dynamic_shifting": True,
}
TEXT_ENCODER = {
    "architectures": ["Qwen2_5_VLForConditionalGeneration"],
    "model_type": "qwen2_5_vl",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 128000,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    "tie_word_embeddings": False,
    "vocab_size": 152064,
    "image_token_id": 151655,
    "video_token_id": 151656,
    "vision_start_token_id": 151652,
    "vision_end_token_id": 151653,
    "vision_config": {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
    },
}
CONFIGS: dict[str, dict[str, Any]] = {"transformer": TRANSFORMER, "text_encoder": TEXT_ENCODER, "vae": VAE}
PUBLISHED = {"model.language_model.": "model.", "model.visual.": "visual."}  # in the text encoder's file


def without_content(component: str, config: dict[str, Any]) -> Any:
    """The official class of `component` (a key of `CONFIGS`) on the meta device, in bfloat16."""
    arguments = {name: value for name, value in config.items() if name != "_class_name"}
    made: dict[str, Callable[[], torch.nn.Module]] = {
        "transformer": lambda: QwenImageTransformer2DModel(**arguments),
        "vae": lambda: AutoencoderKLQwenImage(**arguments),
        "text_encoder": lambda: Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**arguments)),
    }
    with torch.device("meta"):
        module = made[component]().eval()
    return torch.nn.Module.to(module, torch.bfloat16)  # diffusers' own `to` warns of layers that these do not have


def image_shapes(component: str, config: dict[str, Any]) -> dict[str, Shape]:
    """Tensors of the component's files by name."""
    tensors = without_content(component, config).state_dict()
    return {published_name(component, name): tuple(tensor.shape) for name, tensor in tensors.items()}


def published_name(component: str, name: str) -> str:
    """What the file calls the tensor `name` of the class."""
    if component == "text_encoder":
        for ours, theirs in PUBLISHED.items():
            if name.startswith(ours):
                return theirs + name.removeprefix(ours)
    return name
