"""The platform's own API, /api/v1."""

import time

PREFIX = "/api/v1"
AUTO = "auto"


def language_of(language: str | None) -> str | None:
    """As the SDK takes it: None where it is to be found."""
    return None if language in (None, "", AUTO) else language


def milliseconds_since(begun_s: float) -> float:
    """From `time.monotonic()` then until now."""
    return round(1000 * (time.monotonic() - begun_s), 1)
