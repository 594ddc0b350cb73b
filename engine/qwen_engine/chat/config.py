"""The configuration of a published Qwen3 text checkpoint."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_engine.decoder import DecoderConfig
from qwen_engine.sampling import Sampling

# Fields of config.json that ask for what the shared decoder does not support.
UNSUPPORTED = ("attention_bias", "use_sliding_window", "rope_scaling")


@dataclass(frozen=True)
class ChatConfig:
    """config.json and generation_config.json: `sampling`: the checkpoint's defaults."""

    decoder: DecoderConfig
    eos_ids: frozenset[int]
    max_positions: int
    sampling: Sampling

    @classmethod
    def load(cls, folder: Path) -> "ChatConfig":
        config = json.loads((folder / "config.json").read_bytes())
        if unknown := [f"{name} = {config[name]}" for name in UNSUPPORTED if config.get(name)]:
            raise ValueError(f"config.json asks for what this engine does not do: {', '.join(unknown)}")
        generation = _read(folder / "generation_config.json")
        eos = generation.get("eos_token_id", config["eos_token_id"])
        return cls(
            decoder=DecoderConfig.from_json(config),
            eos_ids=frozenset(eos if isinstance(eos, list) else [eos]),
            max_positions=config["max_position_embeddings"],
            sampling=_sampling(generation),
        )


def _read(file: Path) -> dict[str, Any]:
    """Checkpoints may come without a generation_config.json."""
    return json.loads(file.read_bytes()) if file.exists() else {}


def _sampling(generation: dict[str, Any]) -> Sampling:
    """As transformers' `generate` reads it: greedy without `do_sample`."""
    if not generation.get("do_sample", False):
        return Sampling(temperature=0.0, top_k=0)
    return Sampling(
        temperature=generation.get("temperature", 1.0),
        top_k=generation.get("top_k", 50),
        top_p=generation.get("top_p", 1.0),
    )
