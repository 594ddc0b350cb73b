"""Pictures and readings that are made side by side."""

from collections.abc import Sequence
from typing import Any

from qwen_engine.chains.tasks.json_types import Seed, SpokenText
from qwen_engine.seeds import following_seed


def shot(prompt: str, number: Seed, seed: Seed) -> dict[str, Any]:
    """One of several pictures, with a seed of its own, counted up from `seed`: {"prompt", "seed"}."""
    return {"prompt": prompt, "seed": following_seed(seed, number)}


def readings(variants: Sequence[SpokenText], voices: Sequence[str]) -> list[dict[str, Any]]:
    """Each text in each voice; without `voices`, in the server's choice: [{"variant", "voice", "text"}]."""
    return [
        {"variant": number, "voice": voice, "text": variant["text"]}
        for number, variant in enumerate(variants)
        for voice in (voices or (None,))
    ]
