"""Shapes of the published Qwen3-TTS checkpoints: their configurations, and every tensor that synthesis reads.

The numbers are those of the config.json files of Qwen/Qwen3-TTS-12Hz-{1.7B,0.6B}-CustomVoice and their speech
tokenizer; fields that neither the engine nor a shape depends on are left out.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = tuple[int, ...]

TALKERS = {"1.7b": ("1b7", 2048, 6144), "0.6b": ("0b6", 1024, 3072)}  # name in config.json, hidden, intermediate
ATTENTION = {"head_dim": 128, "num_attention_heads": 16, "num_key_value_heads": 8, "rms_norm_eps": 1e-6}
GENERATION = {
    "do_sample": True,
    "repetition_penalty": 1.05,
    "temperature": 0.9,
    "top_p": 1.0,
    "top_k": 50,
    "subtalker_dosample": True,
    "subtalker_temperature": 0.9,
    "subtalker_top_p": 1.0,
    "subtalker_top_k": 50,
    "max_new_tokens": 8192,
}
CODEC = {
    "model_type": "qwen3_tts_tokenizer_12hz",
    "input_sample_rate": 24000,
    "output_sample_rate": 24000,
    "decode_upsample_rate": 1920,
    "encode_downsample_rate": 1920,
    "encoder_valid_num_quantizers": 16,
    "decoder_config": {
        "latent_dim": 1024,
        "codebook_dim": 512,
        "codebook_size": 2048,
        "decoder_dim": 1536,
        "hidden_size": 512,
        "intermediate_size": 1024,
        "head_dim": 64,
        "num_attention_heads": 16,
        "num_hidden_layers": 8,
        "num_key_value_heads": 16,
        "num_quantizers": 16,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000,
        "sliding_window": 72,
        "upsample_rates": [8, 5, 4, 3],
        "upsampling_ratios": [2, 2],
    },
}


def tts_config(model: str) -> dict[str, Any]:
    """config.json of a custom-voice checkpoint, `model` being a key of `TALKERS`."""
    size, hidden_size, intermediate_size = TALKERS[model]
    predictor = {
        **ATTENTION,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 5,
        "num_code_groups": 16,
        "rope_theta": 1000000,
        "vocab_size": 2048,
    }
    talker = {
        **ATTENTION,
        "hidden_size": hidden_size,
        "intermediate_size": intermediate_size,
        "num_hidden_layers": 28,
        "num_code_groups": 16,
        "rope_theta": 1000000,
        "vocab_size": 3072,
        "text_hidden_size": 2048,
        "text_vocab_size": 151936,
        "code_predictor_config": predictor,
        "codec_pad_id": 2148,
        "codec_bos_id": 2149,
        "codec_eos_token_id": 2150,
        "codec_think_id": 2154,
        "codec_nothink_id": 2155,
        "codec_think_bos_id": 2156,
        "codec_think_eos_id": 2157,
        "codec_language_id": {"english": 2050, "chinese": 2055},
        "spk_id": {"ryan": 3061},
        "spk_is_dialect": {"ryan": False},
    }
    return {
        "model_type": "qwen3_tts",
        "tokenizer_type": "qwen3_tts_tokenizer_12hz",
        "tts_model_size": size,
        "tts_model_type": "custom_voice",
        "tts_pad_token_id": 151671,
        "tts_bos_token_id": 151672,
        "tts_eos_token_id": 151673,
        "talker_config": talker,
    }


def tts_shapes(config: Json) -> dict[str, Shape]:
    """Tensors of a checkpoint's model.safetensors by name."""
    talker = config["talker_config"]
    predictor = talker["code_predictor_config"]
    hidden, text_hidden, num_codes = talker["hidden_size"], talker["text_hidden_size"], predictor["vocab_size"]
    shapes = {
        "talker.codec_head.weight": (talker["vocab_size"], hidden),
        "talker.model.codec_embedding.weight": (talker["vocab_size"], hidden),
        "talker.model.text_embedding.weight": (talker["text_vocab_size"], text_hidden),
        "talker.text_projection.linear_fc1.weight": (text_hidden, text_hidden),
        "talker.text_projection.linear_fc1.bias": (text_hidden,),
        "talker.text_projection.linear_fc2.weight": (hidden, text_hidden),
        "talker.text_projection.linear_fc2.bias": (hidden,),
        **dict(_stack("talker.model.", talker)),
        **dict(_stack("talker.code_predictor.model.", predictor)),
    }
    for group in range(talker["num_code_groups"] - 1):
        shapes[f"talker.code_predictor.model.codec_embedding.{group}.weight"] = (num_codes, hidden)
        shapes[f"talker.code_predictor.lm_head.{group}.weight"] = (num_codes, predictor["hidden_size"])
    if predictor["hidden_size"] != hidden:
        shapes["talker.code_predictor.small_to_mtp_projection.weight"] = (predictor["hidden_size"], hidden)
        shapes["talker.code_predictor.small_to_mtp_projection.bias"] = (predictor["hidden_size"],)
    return shapes


def codec_shapes(config: Json) -> dict[str, Shape]:
    """Tensors of the decoder of a speech tokenizer's model.safetensors by name."""
    decoder = config["decoder_config"]
    latent, width = decoder["latent_dim"], decoder["decoder_dim"]
    shapes = dict(_quantizer(decoder))
    shapes |= _conv("decoder.pre_conv", latent, decoder["codebook_dim"], 3)
    shapes |= dict(_transformer(decoder))
    for index, ratio in enumerate(decoder["upsampling_ratios"]):
        shapes |= _transposed(f"decoder.upsample.{index}.0", latent, latent, ratio)
        shapes |= _conv_next(f"decoder.upsample.{index}.1.", latent)
    shapes |= _conv("decoder.decoder.0", width, latent, 7)
    for index, rate in enumerate(decoder["upsample_rates"], start=1):
        shapes |= _block(f"decoder.decoder.{index}.block.", width, width // 2, rate)
        width //= 2
    last = len(decoder["upsample_rates"]) + 1
    return shapes | _snake(f"decoder.decoder.{last}.", width) | _conv(f"decoder.decoder.{last + 1}", 1, width, 7)


def _stack(prefix: str, config: Json) -> Iterator[tuple[str, Shape]]:
    """A Qwen3 decoder."""
    hidden, head_dim = config["hidden_size"], config["head_dim"]
    yield f"{prefix}norm.weight", (hidden,)
    for index in range(config["num_hidden_layers"]):
        layer = f"{prefix}layers.{index}."
        yield from _layer(layer, config)
        yield f"{layer}self_attn.q_norm.weight", (head_dim,)
        yield f"{layer}self_attn.k_norm.weight", (head_dim,)


def _layer(layer: str, config: Json) -> Iterator[tuple[str, Shape]]:
    """Attention, SwiGLU and their norms."""
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    yield f"{layer}self_attn.q_proj.weight", (queries, hidden)
    yield f"{layer}self_attn.k_proj.weight", (keys, hidden)
    yield f"{layer}self_attn.v_proj.weight", (keys, hidden)
    yield f"{layer}self_attn.o_proj.weight", (hidden, queries)
    yield f"{layer}mlp.gate_proj.weight", (wide, hidden)
    yield f"{layer}mlp.up_proj.weight", (wide, hidden)
    yield f"{layer}mlp.down_proj.weight", (hidden, wide)
    yield f"{layer}input_layernorm.weight", (hidden,)
    yield f"{layer}post_attention_layernorm.weight", (hidden,)


def _transformer(decoder: Json) -> Iterator[tuple[str, Shape]]:
    prefix = "decoder.pre_transformer."
    hidden, latent = decoder["hidden_size"], decoder["latent_dim"]
    yield f"{prefix}input_proj.weight", (hidden, latent)
    yield f"{prefix}input_proj.bias", (hidden,)
    yield f"{prefix}output_proj.weight", (latent, hidden)
    yield f"{prefix}output_proj.bias", (latent,)
    yield f"{prefix}norm.weight", (hidden,)
    for index in range(decoder["num_hidden_layers"]):
        layer = f"{prefix}layers.{index}."
        yield from _layer(layer, decoder)
        yield f"{layer}self_attn_layer_scale.scale", (hidden,)
        yield f"{layer}mlp_layer_scale.scale", (hidden,)


def _quantizer(decoder: Json) -> Iterator[tuple[str, Shape]]:
    outer = decoder["codebook_dim"]
    inner = outer // 2
    for name, count in (("rvq_first", 1), ("rvq_rest", decoder["num_quantizers"] - 1)):
        prefix = f"decoder.quantizer.{name}."
        yield f"{prefix}output_proj.weight", (outer, inner, 1)
        for index in range(count):
            book = f"{prefix}vq.layers.{index}._codebook."
            yield f"{book}cluster_usage", (decoder["codebook_size"],)
            yield f"{book}embedding_sum", (decoder["codebook_size"], inner)


def _conv(name: str, num_out: int, num_in: int, kernel: int) -> dict[str, Shape]:
    return {f"{name}.conv.weight": (num_out, num_in, kernel), f"{name}.conv.bias": (num_out,)}


def _transposed(name: str, num_in: int, num_out: int, kernel: int) -> dict[str, Shape]:
    return {f"{name}.conv.weight": (num_in, num_out, kernel), f"{name}.conv.bias": (num_out,)}


def _snake(prefix: str, width: int) -> dict[str, Shape]:
    return {f"{prefix}alpha": (width,), f"{prefix}beta": (width,)}


def _conv_next(prefix: str, width: int) -> dict[str, Shape]:
    return {
        f"{prefix}gamma": (width,),
        **_conv(f"{prefix}dwconv", width, 1, 7),
        f"{prefix}norm.weight": (width,),
        f"{prefix}norm.bias": (width,),
        f"{prefix}pwconv1.weight": (4 * width, width),
        f"{prefix}pwconv1.bias": (4 * width,),
        f"{prefix}pwconv2.weight": (width, 4 * width),
        f"{prefix}pwconv2.bias": (width,),
    }


def _block(prefix: str, num_in: int, num_out: int, rate: int) -> dict[str, Shape]:
    """Snake, upsampling, three residual units."""
    shapes = _snake(f"{prefix}0.", num_in) | _transposed(f"{prefix}1", num_in, num_out, 2 * rate)
    for index in (2, 3, 4):
        unit = f"{prefix}{index}."
        shapes |= _snake(f"{unit}act1.", num_out) | _snake(f"{unit}act2.", num_out)
        shapes |= _conv(f"{unit}conv1", num_out, num_out, 7) | _conv(f"{unit}conv2", num_out, num_out, 1)
    return shapes
