"""The platform's own API, /api/v1."""

PREFIX = "/api/v1"
AUTO = "auto"


def language_of(language: str | None) -> str | None:
    """As the SDK takes it: None where it is to be found."""
    return None if language in (None, "", AUTO) else language
