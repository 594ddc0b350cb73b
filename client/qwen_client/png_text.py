"""Texts in PNG files, found without unpacking anything else: Pillow refuses files with megabytes of other texts."""

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT_BYTES = 1_000_000


def png_text(data: bytes, keyword: str) -> str | None:
    """The first text of `keyword` in a PNG file; None where there is none, or one of more than a megabyte."""
    begin = keyword.encode("latin-1") + b"\0"
    for name, body in _chunks(data):
        if name in _READERS and body.startswith(begin):
            return _READERS[name](body[len(begin) :])
    return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk, to the end or to where the file is cut."""
    start = len(SIGNATURE)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            return
        yield data[start + 4 : start + 8], data[start + 8 : end - 4]
        start = end


def _international(body: bytes) -> str | None:
    is_packed, (_, _, text) = body[:1] == b"\1", body[2:].split(b"\0", 2)
    unpacked = _unpacked(text) if is_packed else text
    return None if unpacked is None else unpacked.decode()


def _packed(body: bytes) -> str | None:
    unpacked = _unpacked(body[1:])
    return None if unpacked is None else unpacked.decode("latin-1")


def _plain(body: bytes) -> str:
    return body.decode("latin-1")


def _unpacked(packed: bytes) -> bytes | None:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(packed, MAX_TEXT_BYTES)
    return None if unpacker.unconsumed_tail else text


_READERS = {b"iTXt": _international, b"zTXt": _packed, b"tEXt": _plain}
