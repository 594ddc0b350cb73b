"""The configuration of a published Qwen3-ASR checkpoint (transformers' native layout).

transformers' classes read the files: they know the defaults of keys that a file leaves out.
"""

from dataclasses import dataclass
from pathlib import Path

from transformers import Qwen3ASRConfig, Qwen3ASREncoderConfig, Qwen3ASRFeatureExtractor

from qwen_engine.decoder import DecoderConfig
from qwen_engine.generation_config import eos_ids, load_generation_config


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
        extractor = Qwen3ASRFeatureExtractor.from_pretrained(folder)
        return cls(
            sample_rate_hz=extractor.sampling_rate,
            num_mel_bins=extractor.feature_size,
            num_fft=extractor.n_fft,
            hop=extractor.hop_length,
            min_samples=extractor.min_length,
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
    def from_transformers(cls, config: Qwen3ASREncoderConfig) -> "EncoderConfig":
        """Raises `ValueError` for an activation function that the encoder does not know."""
        if config.activation_function != "gelu":
            raise ValueError(f"audio_config.activation_function is {config.activation_function!r}; known: 'gelu'")
        return cls(
            num_layers=config.encoder_layers,
            hidden_size=config.d_model,
            num_heads=config.encoder_attention_heads,
            num_mel_bins=config.num_mel_bins,
            chunk_frames=2 * config.n_window,
            window_frames=config.n_window_infer,
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
        config = Qwen3ASRConfig.from_pretrained(folder)
        return cls(
            features=FeatureConfig.load(folder),
            encoder=EncoderConfig.from_transformers(config.audio_config),
            decoder=DecoderConfig.from_json(config.text_config.to_dict()),
            eos_ids=eos_ids(load_generation_config(folder, config)),
        )
