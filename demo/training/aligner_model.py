"""The demo aligner's processor and model: transformers' token-classification class on the demo recogniser's layers."""

from typing import Any

import torch
from torch import nn
from transformers.models.qwen3_asr import (
    Qwen3ASRConfig,
    Qwen3ASRForConditionalGeneration,
    Qwen3ASRForTokenClassification,
    Qwen3ASRProcessor,
)

from demo.training.asr_model import processor_around

CLASS_S = 0.08
FRAMES_PER_S = 13
NUM_CLASSES = 500  # 40 s
NUM_DECODER_LAYERS = 6
# The audio, then every word with a mark for its start and one for its end; no roles, unlike a chat.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
    {%- for part in message.content -%}
        {%- if part.type == 'audio' -%}{{- '<|audio_start|><|audio_pad|><|audio_end|>' -}}
        {%- else -%}{{- part.text + '<timestamp><timestamp>' -}}
        {%- endif -%}
    {%- endfor -%}
{%- endfor -%}
"""


def aligner_processor(recogniser: Qwen3ASRProcessor) -> Qwen3ASRProcessor:
    """The recogniser's tokenizer and features under the aligner's template."""
    return processor_around(recogniser.tokenizer.backend_tokenizer, CHAT_TEMPLATE)


def aligner_model(recogniser: Qwen3ASRForConditionalGeneration) -> Qwen3ASRForTokenClassification:
    """`recogniser`'s layers, more decoder layers that add nothing at first, and an untrained classifier."""
    settings: dict[str, Any] = recogniser.config.to_dict()
    text = settings["text_config"] | {"num_hidden_layers": NUM_DECODER_LAYERS}
    text["layer_types"] = ["full_attention"] * NUM_DECODER_LAYERS
    for name in ("architectures", "id2label", "label2id"):
        settings.pop(name, None)
    settings |= {"text_config": text, "num_labels": NUM_CLASSES}
    model = Qwen3ASRForTokenClassification(Qwen3ASRConfig(**settings))
    known = {name: weight for name, weight in recogniser.state_dict().items() if name.startswith("model.")}
    for name in model.load_state_dict(known, strict=False).missing_keys:
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.zeros_(model.get_parameter(name))
    nn.init.normal_(model.score.weight, std=model.config.text_config.hidden_size**-0.5)
    return model


def frame_times_s(num_frames: int) -> torch.Tensor:
    """The middle of what each audio token hears (num_frames,): thirteen a second, 80 ms apart, the last one 40 ms."""
    frame = torch.arange(num_frames)
    return frame // FRAMES_PER_S + CLASS_S * (frame % FRAMES_PER_S)
