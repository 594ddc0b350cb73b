"""What the demo TTS checkpoints are made of: configurations and files."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import EncodecFeatureExtractor, MimiConfig, PreTrainedModel

from demo.training.manifest import CHECKPOINTS
from demo.training.text_tokens import build_tokenizer, special_id, vocabulary_size
from demo.training.tts_voices import SPEAKERS
from qwen_engine.qwen_tts_import import import_qwen_tts

_qwen_tts = import_qwen_tts()
_modeling = _qwen_tts.core.models.modeling_qwen3_tts
_tokenizer = _qwen_tts.core.tokenizer_12hz
Qwen3TTSModel = _qwen_tts.Qwen3TTSModel
VoiceClonePromptItem = _qwen_tts.inference.qwen3_tts_model.VoiceClonePromptItem
Qwen3TTSConfig = _qwen_tts.core.models.Qwen3TTSConfig
Qwen3TTSForConditionalGeneration = _qwen_tts.core.models.Qwen3TTSForConditionalGeneration
Qwen3TTSSpeakerEncoder = _modeling.Qwen3TTSSpeakerEncoder
mel_spectrogram = _modeling.mel_spectrogram
Qwen3TTSProcessor = _qwen_tts.core.models.Qwen3TTSProcessor
Qwen3TTSTokenizerV2Config = _tokenizer.configuration_qwen3_tts_tokenizer_v2.Qwen3TTSTokenizerV2Config
Qwen3TTSTokenizerV2Model = _tokenizer.modeling_qwen3_tts_tokenizer_v2.Qwen3TTSTokenizerV2Model

FOLDER = CHECKPOINTS / "tts"
BASE_FOLDER = CHECKPOINTS / "tts_base"
DESIGN_FOLDER = CHECKPOINTS / "tts_design"
CODEC_FOLDER = FOLDER / "speech_tokenizer"
BUILD = Path("build/training")
WEIGHTS = "model.safetensors"
SHARED_SHARD, SPEAKER_SHARD = "talker.safetensors", "speaker_encoder.safetensors"
DISK_DTYPE = torch.float16  # half the size; from_pretrained gives float32 unless told otherwise

SAMPLE_RATE_HZ = 24000
SAMPLES_PER_FRAME = 1920
NUM_GROUPS = 8
CODEBOOK_SIZE = 256
LATENT_DIM = 32

LANGUAGES = {"english": CODEBOOK_SIZE + 2, "chinese": CODEBOOK_SIZE + 3}  # above the codebook, as published


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


def talker_config(speakers: Sequence[str] = tuple(SPEAKERS)) -> dict[str, Any]:
    return {
        "code_predictor_config": code_predictor_config(),
        "vocab_size": CODEBOOK_SIZE + 1024,  # upstream suppresses the last 1024 ids but EOS
        "text_vocab_size": vocabulary_size(),
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
        "spk_id": {name: CODEBOOK_SIZE + 1000 + index for index, name in enumerate(speakers)},
        "spk_is_dialect": dict.fromkeys(speakers, False),
    }


def speaker_encoder_config() -> dict[str, Any]:
    return {
        "mel_dim": 128,
        "enc_dim": 128,  # the talker's hidden size
        "enc_channels": [64, 64, 64, 64, 192],
        "enc_kernel_sizes": [5, 3, 3, 3, 1],
        "enc_dilations": [1, 2, 3, 4, 1],
        "enc_attention_channels": 32,
        "enc_res2net_scale": 4,
        "enc_se_channels": 32,
        "sample_rate": SAMPLE_RATE_HZ,
    }


def tts_config(model_type: str) -> Qwen3TTSConfig:
    """Laid out as in the published 0.6B models; `model_type` is custom_voice, base or voice_design."""
    return Qwen3TTSConfig(
        architectures=["Qwen3TTSForConditionalGeneration"],
        talker_config=talker_config() if model_type == "custom_voice" else talker_config(()),
        speaker_encoder_config=speaker_encoder_config(),
        tokenizer_type="qwen3_tts_tokenizer_12hz",
        tts_model_size="0b6",
        tts_model_type=model_type,
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


def save_talker(model: Qwen3TTSForConditionalGeneration, generation: dict[str, Any]) -> None:
    """Write the talker, its tokenizer and its generation defaults beside the speech tokenizer already in `FOLDER`."""
    fresh = FOLDER.with_name(FOLDER.name + ".new")
    _save_half(model, fresh)
    _save_all_but_weights(model.config, generation, fresh)
    _publish(fresh, FOLDER)


def save_base(speaker_encoder: torch.nn.Module, generation: dict[str, Any]) -> None:
    """Write the cloning checkpoint: a speaker encoder of its own, everything else as in `FOLDER`."""
    weights = {f"speaker_encoder.{name}": tensor for name, tensor in speaker_encoder.state_dict().items()}
    shared = load_file(FOLDER / WEIGHTS)
    shards = dict.fromkeys(shared, SHARED_SHARD) | dict.fromkeys(weights, SPEAKER_SHARD)
    size = sum(tensor.numel() * DISK_DTYPE.itemsize for tensor in (*shared.values(), *weights.values()))
    fresh = BASE_FOLDER.with_name(BASE_FOLDER.name + ".new")
    fresh.mkdir()
    halves = {name: tensor.to(DISK_DTYPE).contiguous() for name, tensor in weights.items()}
    save_file(halves, fresh / SPEAKER_SHARD, metadata={"format": "pt"})
    index = {"metadata": {"total_size": size}, "weight_map": shards}
    (fresh / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    _save_all_but_weights(tts_config("base"), generation, fresh)
    _publish(fresh, BASE_FOLDER)
    _share(BASE_FOLDER, SHARED_SHARD)


def save_design(generation: dict[str, Any]) -> None:
    """Write the voice-design checkpoint: another configuration around the weights in `FOLDER`."""
    fresh = DESIGN_FOLDER.with_name(DESIGN_FOLDER.name + ".new")
    fresh.mkdir()
    _save_all_but_weights(tts_config("voice_design"), generation, fresh)
    _publish(fresh, DESIGN_FOLDER)
    _share(DESIGN_FOLDER, WEIGHTS)


def _share(folder: Path, weights_name: str) -> None:
    """Relative links to the weights and the speech tokenizer of `FOLDER`: git and disk hold them once."""
    for name, target in ((weights_name, WEIGHTS), (CODEC_FOLDER.name, CODEC_FOLDER.name)):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(Path("..") / FOLDER.name / target)


def _save_all_but_weights(config: Qwen3TTSConfig, generation: dict[str, Any], folder: Path) -> None:
    config.save_pretrained(folder)
    Qwen3TTSProcessor(tokenizer=build_tokenizer(folder)).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"processor_class": "Qwen3TTSProcessor"}) + "\n")
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    _drop_model_type(folder / "config.json")


def _drop_model_type(config_file: Path) -> None:
    """A saved speaker_encoder_config names a model_type that its own class refuses on loading."""
    config = json.loads(config_file.read_text())
    config.get("speaker_encoder_config", {}).pop("model_type", None)
    config_file.write_text(json.dumps(config, indent=2) + "\n")
