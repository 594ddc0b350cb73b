"""The generation_config.json of a checkpoint, as transformers reads it; checkpoints may come without one."""

from pathlib import Path

from transformers import GenerationConfig, PreTrainedConfig
from transformers.utils import GENERATION_CONFIG_NAME


def load_generation_config(folder: Path, config: PreTrainedConfig) -> GenerationConfig:
    """That of the checkpoint in `folder`; keys that are left out come from its `config`, or have defaults."""
    derived = GenerationConfig.from_model_config(config)
    if not (folder / GENERATION_CONFIG_NAME).is_file():
        return derived
    own = GenerationConfig.from_pretrained(folder)
    if own.eos_token_id is None:
        own.eos_token_id = derived.eos_token_id
    return own


def eos_ids(config: GenerationConfig) -> frozenset[int]:
    """The tokens that end an answer.

    Raises:
        ValueError: there are none.
    """
    eos = config.eos_token_id
    if eos is None:
        raise ValueError("neither config.json nor generation_config.json names an eos_token_id")
    return frozenset([eos] if isinstance(eos, int) else eos)
