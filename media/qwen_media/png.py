"""PNG files without what does not show: Pillow refuses those with more than a megabyte of texts or colour profile."""

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SHOWN = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT"}
TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
ORIENTATION_TEXTS = {b"XML:com.adobe.xmp", b"Raw profile type exif"}  # how the camera was held may stand there, too
MAX_KEYWORD_BYTES = 79
MAX_TEXT_BYTES = 1_000_000  # unpacked; Pillow takes 1,048,576
MAX_CHUNKS = 200_000  # 1.6 GB of picture in libpng's pieces


def lean_png(data: bytes) -> bytes:
    """The file with those chunks alone that say how its picture looks; the rest is neither unpacked nor checked.

    From where it is damaged on, it stays as it is. Raises ValueError where it has more than 200,000 chunks.
    """
    kept, texts = [SIGNATURE], set[bytes]()
    for number, (name, chunk) in enumerate(_chunks(data)):
        if number == MAX_CHUNKS:
            raise ValueError(f"more than {MAX_CHUNKS} chunks")
        keyword = _orientation_text(name, chunk[8:-4])
        if name in SHOWN or not name[:1].islower() or (keyword and keyword not in texts):
            kept.append(chunk)
            texts |= {keyword}
    return b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and bytes of each chunk up to IEND; what is left where the file ends within one has no name."""
    start = len(SIGNATURE)
    while start < len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        name = data[start + 4 : start + 8] if end <= len(data) else b""
        yield name, data[start:end]
        start = len(data) if name in (b"", b"IEND") else end


def _orientation_text(name: bytes, body: bytes) -> bytes:
    """The keyword of a text that may tell the orientation, and that Pillow will read; else empty."""
    if name not in TEXTS or len(body) > MAX_TEXT_BYTES:
        return b""
    keyword, _, text = body[: MAX_KEYWORD_BYTES + 1].partition(b"\0")
    if keyword not in ORIENTATION_TEXTS:
        return b""
    is_packed = name == b"zTXt" or (name == b"iTXt" and text[:1] != b"\0")
    return keyword if not is_packed or (name == b"zTXt" and _fits(body[len(keyword) + 2 :])) else b""


def _fits(packed: bytes) -> bool:
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed, MAX_TEXT_BYTES)
    except zlib.error:
        return False
    return not unpacker.unconsumed_tail
