"""The configuration of a published Qwen3 text checkpoint."""

from dataclasses import dataclass
from pathlib import Path

from transformers import GenerationConfig, Qwen3Config

from qwen_engine.decoder import DecoderConfig
from qwen_engine.generation_config import eos_ids, load_generation_config
from qwen_engine.sampling import Sampling


@dataclass(frozen=True)
class ChatConfig:
    """config.json and generation_config.json: `sampling`: the checkpoint's defaults."""

    decoder: DecoderConfig
    eos_ids: frozenset[int]
    max_positions: int
    sampling: Sampling

    @classmethod
    def load(cls, folder: Path) -> "ChatConfig":
        config = Qwen3Config.from_pretrained(folder)
        if unknown := _unsupported(config):
            raise ValueError(f"config.json asks for what this engine does not do: {', '.join(unknown)}")
        generation = load_generation_config(folder, config)
        return cls(
            decoder=DecoderConfig.from_json(config.to_dict()),
            eos_ids=eos_ids(generation),
            max_positions=config.max_position_embeddings,
            sampling=_sampling(generation),
        )


def _unsupported(config: Qwen3Config) -> list[str]:
    """What the shared decoder does not do."""
    asked = {
        "attention_bias": config.attention_bias,
        "use_sliding_window": config.use_sliding_window,
        "rope_scaling": config.rope_parameters["rope_type"] != "default" and config.rope_parameters,
    }
    return [f"{name} = {value}" for name, value in asked.items() if value]


def _sampling(generation: GenerationConfig) -> Sampling:
    """As transformers' `generate` reads it: greedy without `do_sample`; what is left out has its defaults."""
    if not generation.do_sample:
        return Sampling(temperature=0.0, top_k=0)
    return Sampling(
        temperature=1.0 if generation.temperature is None else generation.temperature,
        top_k=50 if generation.top_k is None else generation.top_k,
        top_p=1.0 if generation.top_p is None else generation.top_p,
    )
