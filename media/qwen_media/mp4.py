"""MP4, M4A, MOV and 3GP: boxes. A file that was joined to another one begins with a box of its own that says so."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
HEADER_BYTES, LONG_HEADER_BYTES = 8, 16
TO_END = 0
LONG = 1  # the size is in the eight bytes behind
MAX_FIRST_BYTES = 1 << 30


@dataclass(frozen=True)
class Part:
    """One of the files that were joined. `is_cut`: it tells of more than there is."""

    data: memoryview
    is_cut: bool


def is_mp4(start: bytes) -> bool:
    size, name = int.from_bytes(start[:4], "big"), start[4:8]
    is_likely = size in (TO_END, LONG) or HEADER_BYTES <= size < MAX_FIRST_BYTES
    return name == b"ftyp" or (name in FIRST_BOXES and is_likely)


def parts(data: memoryview) -> Iterator[Part]:
    """The files that one is made of."""
    begin = at = 0
    has_index = False
    while at + HEADER_BYTES <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"ftyp" and has_index:
            yield Part(data[begin:at], False)
            begin, has_index = at, False
        has_index |= name == b"moov"
        if size == LONG and at + LONG_HEADER_BYTES <= len(data):
            size = struct.unpack_from(">Q", data, at + HEADER_BYTES)[0]
        if size < HEADER_BYTES:  # 0: to the end
            break
        at += size
    yield Part(data[begin:], at > len(data))
