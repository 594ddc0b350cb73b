"""Ogg: pages with checksums. A file may be several, one after another, as radio stations send them.

FFmpeg leaves out a page whose checksum is wrong, a second of sound for one wrong bit, and reads the first file only of
several. So each is read by itself, and a page that is whole but for some bytes gets the checksum that it should have:
then no more is lost than the packets that are damaged.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from qwen_media.scanning import find

MAGIC = b"OggS"
HEADER_BYTES = 27
CHECKSUM = slice(22, 26)
BEGINS, ENDS = 2, 4
KNOWN_FLAGS = 7
FLAGS_AT = 5
UNKNOWN = -1
MAX_STEP = 1 << 23  # samples from one page to the next: some minutes
WHOLE_SEGMENT = 255  # a packet goes on in the next segment
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
FLAC_HEAD = b"\x7fFLAC"
FLAC_MAGIC_AT = 9
SOUND_HEADS = (b"OpusHead", b"\x01vorbis", FLAC_HEAD)
MAX_HEAD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Page:
    """`position`: samples from the beginning of its stream to its end, or -1."""

    start: int
    head_end: int
    end: int
    flags: int
    position: int
    serial: int
    number: int
    num_packets: int
    is_whole: bool

    @property
    def begins(self) -> bool:
        """A stream's first page."""
        return bool(self.flags & BEGINS)


@dataclass(frozen=True)
class Link:
    """One of the files that are one after another. `num_missing`: samples in packets that are damaged, at least.

    `is_flac`: the data are those of a FLAC file, taken out of Ogg.
    """

    data: memoryview
    is_flac: bool
    num_samples: int
    num_missing: int


def links(data: memoryview) -> Iterator[Link]:
    """The files that one is made of."""
    pages: list[Page] = []
    for page in _pages(data):
        if page.begins and pages and not pages[-1].begins:
            yield _link(data, pages)
            pages = []
        pages.append(page)
    if pages:
        yield _link(data, pages)


def checksum(page: bytes) -> int:
    """Of a page, as its header should tell it: zlib's CRC-32 reads the bits of each byte the other way round."""
    reversed_page = b"".join([page[: CHECKSUM.start], bytes(4), page[CHECKSUM.stop :]]).translate(REVERSED_BITS)
    register = zlib.crc32(reversed_page, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{register:032b}"[::-1], 2)


def _pages(data: memoryview) -> Iterator[Page]:
    """All pages that can be found; what is between them is lost."""
    at: int | None = 0
    while at is not None and at < len(data):
        page = _page(data, at)
        if page is not None and (page.is_whole or page.end == len(data) or data[page.end : page.end + 4] == MAGIC):
            yield page
            at = page.end
        else:
            at = find(data, MAGIC, at + 1)


def _page(data: memoryview, at: int) -> Page | None:
    """The page whose header is there."""
    head = bytes(data[at : at + HEADER_BYTES])
    if len(head) < HEADER_BYTES or head[:4] != MAGIC:
        return None
    flags, position, serial, number, told, num_segments = struct.unpack_from("<xBqIIIB", head, 4)
    head_end = at + HEADER_BYTES + num_segments
    segments = bytes(data[at + HEADER_BYTES : head_end])
    end = head_end + sum(segments)
    if len(segments) < num_segments or end > len(data):
        return None
    num_packets = num_segments - segments.count(WHOLE_SEGMENT)
    is_whole = checksum(bytes(data[at:end])) == told
    return Page(at, head_end, end, flags, position, serial, number, num_packets, is_whole)


def _link(data: memoryview, pages: list[Page]) -> Link:
    first = next((page for page in pages if _begins(data, page, SOUND_HEADS)), None)
    sound = None if first is None else first.serial
    if first is not None and _begins(data, first, (FLAC_HEAD,)):
        return Link(_native_flac(data, [page for page in pages if page.serial == sound]), True, 0, 0)
    num_samples = max((page.position for page in pages if page.serial == sound and page.is_whole), default=0)
    if all(page.is_whole for page in pages) and not _has_gaps(pages):
        return Link(data[pages[0].start : pages[-1].end], False, num_samples, 0)
    kept, missing = _kept(pages, sound)
    return Link(memoryview(b"".join(_mended(data, page) for page in kept)), False, num_samples, missing)


def _begins(data: memoryview, page: Page, heads: tuple[bytes, ...]) -> bool:
    return bytes(data[page.head_end : page.head_end + MAX_HEAD_BYTES]).startswith(heads)


def _native_flac(data: memoryview, pages: list[Page]) -> memoryview:
    """What the pages hold is a FLAC file, behind a few bytes of Ogg's own."""
    return memoryview(b"".join(data[page.head_end : page.end] for page in pages))[FLAC_MAGIC_AT:]


def _has_gaps(pages: list[Page]) -> bool:
    """Whether a page is missing, or something else is between two of them."""
    numbers: dict[int, int] = {}
    for before, page in zip([None, *pages], pages, strict=False):
        if page.number != numbers.get(page.serial, page.number - 1) + 1 or (before and before.end != page.start):
            return True
        numbers[page.serial] = page.number
    return False


def _kept(pages: list[Page], sound: int | None) -> tuple[list[Page], int]:
    """The pages whose place in their stream is known, and how much sound is damaged in them."""
    positions = {page.serial: 0 for page in pages if page.begins}
    kept: list[Page] = []
    missing = 0
    for page in pages:
        step = 0 if page.position == UNKNOWN else page.position - positions.get(page.serial, 0)
        is_likely = page.serial in positions and page.flags <= KNOWN_FLAGS and 0 <= step <= MAX_STEP
        if not page.is_whole and not is_likely:
            continue
        if not page.is_whole and page.serial == sound:
            missing += step // max(1, page.num_packets)
        positions[page.serial] = max(page.position, positions.get(page.serial, 0))
        kept.append(page)
    return kept, missing


def _mended(data: memoryview, page: Page) -> bytes:
    """A page with the right checksum. None ends its stream: the clock of one that does counts for nothing in FFmpeg."""
    page_bytes = bytearray(data[page.start : page.end])
    page_bytes[FLAGS_AT] &= ~ENDS
    page_bytes[CHECKSUM] = struct.pack("<I", checksum(bytes(page_bytes)))
    return bytes(page_bytes)
