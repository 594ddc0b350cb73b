"""Files as chains give them: bytes, whose beginning says what they are."""

SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg"}


def suffix_of(data: bytes) -> str:
    """The suffix for a file of `data`; ".bin" where it is of no known kind."""
    suffix = next((suffix for magic, suffix in SUFFIXES.items() if data.startswith(magic)), ".bin")
    return ".webp" if suffix == ".wav" and data[8:12] == b"WEBP" else suffix
