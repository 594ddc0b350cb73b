"""Voices as OpenAI's API names them."""

from typing import Any

from qwen_gateway.errors import bad_request


def voice_name(voice: str | dict[str, Any] | None) -> str | None:
    """A name, or {"id": name}. Raises `GatewayError` for anything else."""
    name = voice.get("id") if isinstance(voice, dict) else voice
    if name is not None and not isinstance(name, str):
        raise bad_request("voice is a name, or an object with its id", param="voice")
    return name
