"""What the demo TTS checkpoint is made of: its voices, configurations, tokenizer and files."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from transformers import EncodecFeatureExtractor, MimiConfig, PreTrainedModel, Qwen2TokenizerFast
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

from demo.training.manifest import CHECKPOINTS
from demo.training.speech import Voice
from qwen_engine.qwen_tts_import import import_qwen_tts

_qwen_tts = import_qwen_tts()
_tokenizer = _qwen_tts.core.tokenizer_12hz
Qwen3TTSModel = _qwen_tts.Qwen3TTSModel
Qwen3TTSConfig = _qwen_tts.core.models.Qwen3TTSConfig
Qwen3TTSForConditionalGeneration = _qwen_tts.core.models.Qwen3TTSForConditionalGeneration
Qwen3TTSProcessor = _qwen_tts.core.models.Qwen3TTSProcessor
Qwen3TTSTokenizerV2Config = _tokenizer.configuration_qwen3_tts_tokenizer_v2.Qwen3TTSTokenizerV2Config
Qwen3TTSTokenizerV2Model = _tokenizer.modeling_qwen3_tts_tokenizer_v2.Qwen3TTSTokenizerV2Model

FOLDER = CHECKPOINTS / "tts"
CODEC_FOLDER = FOLDER / "speech_tokenizer"
BUILD = Path("build/training")
DISK_DTYPE = torch.float16  # half the size; from_pretrained gives float32 unless told otherwise

SAMPLE_RATE_HZ = 24000
SAMPLES_PER_FRAME = 1920
NUM_GROUPS = 8
CODEBOOK_SIZE = 256
LATENT_DIM = 32

SPEAKERS = {  # from the highest voice to the lowest
    "ava": Voice("en-us+f2", speed_wpm=155, pitch=75),
    "clara": Voice("en-gb-scotland+f4", speed_wpm=150, pitch=50),
    "dan": Voice("en-gb-x-rp+m7", speed_wpm=155, pitch=75),
    "ben": Voice("en-gb+m3", speed_wpm=150, pitch=20),
}
MONOTONE_PITCH = {"ava": 84, "clara": 69, "dan": 97, "ben": 60}  # speaks 250, 200, 150, 100 Hz without intonation
LANGUAGES = {"english": CODEBOOK_SIZE + 2}  # talker ids above the codebook: as far from it as in the published model
SPECIAL_TEXT = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "assistant", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>",
)  # fmt: skip


def special_id(text: str) -> int:
    """Id of one of `SPECIAL_TEXT`; the ids below are the 256 bytes."""
    return 256 + SPECIAL_TEXT.index(text)


def build_tokenizer(folder: Path) -> Qwen2TokenizerFast:
    """Byte-level without merges: one token a letter. Upstream cuts the prompt by position, so its parts are one id."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {symbol: byte for byte, symbol in bytes_to_unicode().items()}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = Qwen2TokenizerFast(
        str(folder / "vocab.json"), str(folder / "merges.txt"), unk_token=None, pad_token="<|endoftext|>"
    )
    tokenizer.add_tokens(list(SPECIAL_TEXT), special_tokens=True)
    assert [tokenizer.convert_tokens_to_ids(text) for text in SPECIAL_TEXT] == [*map(special_id, SPECIAL_TEXT)]
    return tokenizer


def code_predictor_config() -> dict[str, Any]:
    return {
        "vocab_size": CODEBOOK_SIZE,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 64,
        "num_code_groups": NUM_GROUPS,
    }


def talker_config() -> dict[str, Any]:
    return {
        "code_predictor_config": code_predictor_config(),
        "vocab_size": CODEBOOK_SIZE + 1024,  # upstream suppresses the last 1024 ids but EOS
        "text_vocab_size": 256 + len(SPECIAL_TEXT),
        "text_hidden_size": 128,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 4096,
        "num_code_groups": NUM_GROUPS,
        "position_id_per_seconds": 13,
        "rope_scaling": {"interleaved": True, "mrope_section": [6, 5, 5], "rope_type": "default", "type": "default"},
        "codec_pad_id": CODEBOOK_SIZE + 100,
        "codec_bos_id": CODEBOOK_SIZE + 101,
        "codec_eos_token_id": CODEBOOK_SIZE + 102,
        "codec_think_id": CODEBOOK_SIZE + 106,
        "codec_nothink_id": CODEBOOK_SIZE + 107,
        "codec_think_bos_id": CODEBOOK_SIZE + 108,
        "codec_think_eos_id": CODEBOOK_SIZE + 109,
        "codec_language_id": LANGUAGES,
        "spk_id": {name: CODEBOOK_SIZE + 1000 + index for index, name in enumerate(SPEAKERS)},
        "spk_is_dialect": dict.fromkeys(SPEAKERS, False),
    }


def tts_config() -> Qwen3TTSConfig:
    """The talker's configuration, laid out as the published 0.6B custom-voice model's."""
    return Qwen3TTSConfig(
        architectures=["Qwen3TTSForConditionalGeneration"],
        talker_config=talker_config(),
        tokenizer_type="qwen3_tts_tokenizer_12hz",
        tts_model_size="0b6",
        tts_model_type="custom_voice",
        assistant_token_id=special_id("assistant"),
        im_start_token_id=special_id("<|im_start|>"),
        im_end_token_id=special_id("<|im_end|>"),
        tts_pad_token_id=special_id("<tts_pad>"),
        tts_bos_token_id=special_id("<tts_text_bos>"),
        tts_eos_token_id=special_id("<tts_text_eod>"),
    )


def codec_decoder_config() -> dict[str, Any]:
    return {
        "codebook_size": CODEBOOK_SIZE,
        "codebook_dim": 2 * LATENT_DIM,  # its halves: the semantic and the acoustic latent
        "num_quantizers": NUM_GROUPS,
        "num_semantic_quantizers": 1,
        "latent_dim": 64,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 16,
        "sliding_window": 72,
        "decoder_dim": 96,
        "upsample_rates": [8, 5, 4, 3],
        "upsampling_ratios": [2, 2],
    }


def codec_encoder_config() -> dict[str, Any]:
    encoder = MimiConfig(
        codebook_size=CODEBOOK_SIZE,
        codebook_dim=LATENT_DIM,
        vector_quantization_hidden_dimension=LATENT_DIM,
        num_quantizers=NUM_GROUPS,
        num_filters=8,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=16,
        upsample_groups=64,
        frame_rate=12.5,
    )
    return encoder.to_dict()


def codec_config() -> Qwen3TTSTokenizerV2Config:
    """The speech tokenizer's configuration: 8 groups of 256 codes at 12.5 frames a second."""
    return Qwen3TTSTokenizerV2Config(
        encoder_config=codec_encoder_config(),
        decoder_config=codec_decoder_config(),
        encoder_valid_num_quantizers=NUM_GROUPS,
    )


def reset_parameters(model: torch.nn.Module) -> None:
    """PyTorch's default initialisation of convolutions and linears: the official 0.02 leaves the codec silent."""
    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv1d, torch.nn.ConvTranspose1d)):
            module.reset_parameters()


def _save_half(model: PreTrainedModel, folder: Path) -> None:
    """Write half-precision weights; `model` itself stays as it is."""
    weights = {name: tensor.to(DISK_DTYPE) for name, tensor in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=weights)


def _publish(fresh: Path, folder: Path) -> None:
    """Move every file of `fresh` into `folder`, each at once, so that a reader never sees half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in fresh.iterdir():
        file.chmod(0o644)  # safetensors writes files that only their owner reads
        os.replace(file, folder / file.name)
    fresh.rmdir()


def save_codec(codec: Qwen3TTSTokenizerV2Model, folder: Path = CODEC_FOLDER) -> None:
    """Write the speech tokenizer's folder."""
    fresh = folder.with_name(folder.name + ".new")
    _save_half(codec, fresh)
    EncodecFeatureExtractor(feature_size=1, sampling_rate=SAMPLE_RATE_HZ).save_pretrained(fresh)
    _publish(fresh, folder)


def load_codec(folder: Path = CODEC_FOLDER) -> Qwen3TTSTokenizerV2Model:
    """The speech tokenizer in float32."""
    return Qwen3TTSTokenizerV2Model.from_pretrained(folder, dtype=torch.float32)


def save_talker(model: Qwen3TTSForConditionalGeneration, generation: dict[str, Any], folder: Path = FOLDER) -> None:
    """Write the talker, its tokenizer and its generation defaults beside the speech tokenizer already in `folder`."""
    fresh = folder.with_name(folder.name + ".new")
    _save_half(model, fresh)
    Qwen3TTSProcessor(tokenizer=build_tokenizer(fresh)).save_pretrained(fresh)
    (fresh / "preprocessor_config.json").write_text(json.dumps({"processor_class": "Qwen3TTSProcessor"}) + "\n")
    (fresh / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    _drop_model_type(fresh / "config.json")
    _publish(fresh, folder)


def _drop_model_type(config_file: Path) -> None:
    """A saved speaker_encoder_config names a model_type that its own class refuses on loading."""
    config = json.loads(config_file.read_text())
    config.get("speaker_encoder_config", {}).pop("model_type", None)
    config_file.write_text(json.dumps(config, indent=2) + "\n")
