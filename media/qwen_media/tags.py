"""What music programs put before, between and behind frames of sound: titles, pictures, texts."""

import struct

ID3V1_BYTES = 128
ID3V2_HEAD_BYTES = 10
APE_HEAD_BYTES = 32
PATTERN = rb"ID3[\x02-\x04]|APETAGEX"


def tag_bytes(data: memoryview, at: int) -> int:
    """The size of the tag that begins there; 0: none does."""
    head = bytes(data[at : at + APE_HEAD_BYTES])
    if head[:3] == b"ID3":
        return _id3v2_bytes(head)
    if head[:3] == b"TAG" and at + ID3V1_BYTES <= len(data):
        return ID3V1_BYTES
    if head[:8] == b"APETAGEX" and len(head) == APE_HEAD_BYTES:
        return _ape_bytes(head)
    return 0


def _id3v2_bytes(head: bytes) -> int:
    if len(head) < ID3V2_HEAD_BYTES or not 2 <= head[3] <= 4 or any(byte & 0x80 for byte in head[6:10]):
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    footer = ID3V2_HEAD_BYTES if head[5] & 0x10 else 0
    return ID3V2_HEAD_BYTES + size + footer


def _ape_bytes(head: bytes) -> int:
    """A footer has the same head as a header; it ends the tag."""
    _, size, _, flags = struct.unpack_from("<4I", head, 8)
    is_header = bool(flags & 1 << 29)
    return APE_HEAD_BYTES + size if is_header else APE_HEAD_BYTES


def behind_tags(data: memoryview) -> int:
    """Where the tags at the beginning end."""
    at = 0
    while at < len(data) and (size := tag_bytes(data, at)):
        at += size
    return min(at, len(data))
