"""Tensor names and shapes of the official classes: upstream_names.py CONFIGS.json OUT.json

CONFIGS holds {name: config.json of a checkpoint}, and under "codec" that of a speech tokenizer.
"""

import json
import sys

import torch

from qwen_engine.qwen_tts_import import import_qwen_tts

qwen_tts = import_qwen_tts()
models, tokenizer = qwen_tts.core.models, qwen_tts.core.tokenizer_12hz
configs_file, out_file = sys.argv[1:]
with open(configs_file) as stream:
    configs = json.load(stream)
shapes = {}
for name, config in configs.items():
    config.pop("model_type")
    if name == "codec":
        built = tokenizer.configuration_qwen3_tts_tokenizer_v2.Qwen3TTSTokenizerV2Config(**config)
        model_class = tokenizer.modeling_qwen3_tts_tokenizer_v2.Qwen3TTSTokenizerV2Model
    else:
        built, model_class = models.Qwen3TTSConfig(**config), models.Qwen3TTSForConditionalGeneration
    with torch.device("meta"):
        model = model_class(built)
    shapes[name] = {tensor: list(value.shape) for tensor, value in model.state_dict().items()}
with open(out_file, "w") as stream:
    json.dump(shapes, stream)
