"""How long a chain may take."""

from qwen_engine.settings import ChainSettings
from qwen_wire.errors import InvalidRequest


def checked_deadline_s(asked_s: float | None, settings: ChainSettings) -> float:
    """OPTIONS.deadline_s, else the profile's. Raises `InvalidRequest` for one beyond the profile's limit."""
    if asked_s is not None and asked_s > settings.max_deadline_s:
        raise InvalidRequest(f"OPTIONS.deadline_s is {asked_s:g}; the limit is {settings.max_deadline_s:g}")
    return asked_s or settings.deadline_s
