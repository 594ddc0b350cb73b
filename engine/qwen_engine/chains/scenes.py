"""Pictures and readings that are made side by side."""

from collections.abc import Mapping, Sequence
from typing import Any


def shots(prompts: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """A seed of its own for each picture, counted up: [{"prompt", "seed"}]."""
    return [{"prompt": prompt, "seed": seed + number} for number, prompt in enumerate(prompts)]


def readings(variants: Sequence[Mapping[str, str]], voices: Sequence[str]) -> list[dict[str, Any]]:
    """Each text in each voice; without `voices`, in the server's choice: [{"variant", "voice", "text"}]."""
    return [
        {"variant": number, "voice": voice, "text": variant["text"]}
        for number, variant in enumerate(variants)
        for voice in (voices or (None,))
    ]
