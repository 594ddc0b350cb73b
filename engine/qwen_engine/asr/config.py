"""The configuration of a published Qwen3-ASR checkpoint (transformers' native layout)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_engine.decoder import DecoderConfig


@dataclass(frozen=True)
class FeatureConfig:
    """The log-mel front end; `min_samples`: shorter clips are padded with silence."""

    sample_rate_hz: int
    num_mel_bins: int
    num_fft: int
    hop: int
    min_samples: int

    @classmethod
    def load(cls, folder: Path) -> "FeatureConfig":
        config = json.loads((folder / "processor_config.json").read_bytes())["feature_extractor"]
        return cls(
            sample_rate_hz=config["sampling_rate"],
            num_mel_bins=config["feature_size"],
            num_fft=config["n_fft"],
            hop=config["hop_length"],
            min_samples=config["min_length"],
        )


@dataclass(frozen=True)
class EncoderConfig:
    """The audio encoder; `chunk_frames` go through the convolutions together, `window_frames` attend to each other."""

    num_layers: int
    hidden_size: int
    num_heads: int
    num_mel_bins: int
    chunk_frames: int
    window_frames: int

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> "EncoderConfig":
        if config["activation_function"] != "gelu":
            raise ValueError(f"audio_config.activation_function is {config['activation_function']!r}; known: 'gelu'")
        return cls(
            num_layers=config["encoder_layers"],
            hidden_size=config["d_model"],
            num_heads=config["encoder_attention_heads"],
            num_mel_bins=config["num_mel_bins"],
            chunk_frames=2 * config["n_window"],
            window_frames=config["n_window_infer"],
        )


@dataclass(frozen=True)
class AsrConfig:
    """config.json, generation_config.json and processor_config.json of a checkpoint."""

    features: FeatureConfig
    encoder: EncoderConfig
    decoder: DecoderConfig
    eos_ids: frozenset[int]

    @classmethod
    def load(cls, folder: Path) -> "AsrConfig":
        config = json.loads((folder / "config.json").read_bytes())
        eos = json.loads((folder / "generation_config.json").read_bytes())["eos_token_id"]
        return cls(
            features=FeatureConfig.load(folder),
            encoder=EncoderConfig.from_json(config["audio_config"]),
            decoder=DecoderConfig.from_json(config["text_config"]),
            eos_ids=frozenset(eos if isinstance(eos, list) else [eos]),
        )
