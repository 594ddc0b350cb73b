"""Matroska and WebM: elements inside elements.

FFmpeg gives up a whole cluster, often all there is, where one block's header is damaged, believes a time that is wrong,
and reads the first file only of several that were joined. So each is read by itself, and what is no element, or no
block that can be, becomes an element that says nothing.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from qwen_media.scanning import matches

HEAD, SEGMENT, TRACKS, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0x1F43B675
BLOCK, BLOCK_GROUP, INNER_BLOCK, VOID = 0xA3, 0xA0, 0xA1, 0xEC
OF_FILE = {HEAD, SEGMENT, TRACKS, CLUSTER, 0x114D9B74, 0x1549A966, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367}
OF_CLUSTER = {BLOCK, BLOCK_GROUP, VOID, 0xE7, 0x5854, 0xA7, 0xAB, 0xAF, 0xBF}
KNOWN = frozenset(OF_FILE | OF_CLUSTER)
LANDMARKS = re.compile(rb"\xa3|\xa0|\x1f\x43\xb6\x75|\x1a\x45\xdf\xa3", re.DOTALL)
TRACK_NUMBER = re.compile(rb"\xd7\x81(.)", re.DOTALL)
MAX_ID_BYTES = 4
MAX_HEAD_BYTES = 64
NUM_FOLLOWING = 2
ONE_BYTE = 0x80  # a number that takes one byte has this bit besides
LACING, RESERVED = 0x06, 0x70  # bits of a block's flags
MAX_STEP = 10_000  # from a block to the next one of its track, in ms; a longer pause begins a cluster
MIN_VOID_BYTES = 2
SHORT_VOID_BYTES = 128  # the size of longer ones takes eight bytes


@dataclass(frozen=True, slots=True)
class Element:
    """`end` None: the size is not told."""

    id: int
    content: int
    end: int | None


@dataclass(frozen=True)
class Part:
    """One of the files that were joined. `num_mended`: places that were damaged; `is_cut`: it tells of more
    than there is."""

    data: memoryview
    num_mended: int
    is_cut: bool


def is_matroska(start: bytes) -> bool:
    return start[:4] == HEAD.to_bytes(4, "big")


def parts(data: memoryview) -> Iterator[Part]:
    """The files that one is made of."""
    at = 0
    while at < len(data):
        walk = _Walk(data)
        end = walk.file(at)
        damaged = [(start - at, stop - at) for start, stop in walk.damaged]
        yield Part(_mended(data[at:end], damaged), len(damaged), walk.told_end > len(data))
        at = end


def _mended(data: memoryview, damaged: list[tuple[int, int]]) -> memoryview:
    if not damaged:
        return data
    whole = bytearray(data)
    for start, end in damaged:
        head = _void(end - start)
        whole[start : start + len(head)] = head
    return memoryview(whole)


def _void(num_bytes: int) -> bytes:
    """The head of an element of so many bytes that says nothing."""
    if num_bytes <= SHORT_VOID_BYTES:
        return bytes([VOID, ONE_BYTE | num_bytes - MIN_VOID_BYTES])
    return bytes([VOID, 0x01]) + (num_bytes - 9).to_bytes(7, "big")


class _Walk:
    """Goes through a file from element to element, into those that hold others.

    `damaged`: from where to where there are none; `told_end`: where the file says that it ends, 0 where it does not.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.damaged: list[tuple[int, int]] = []
        self.told_end = 0
        self._cluster_end = 0  # no block is to be found from there on to the next cluster
        self._tracks = frozenset[int]()
        self._lacing: dict[int, int] = {}  # of the first block, by track
        self._times: dict[int, int] = {}  # of the last block in the cluster, by track

    def file(self, begin: int) -> int:
        """Where the file ends that begins there."""
        at = begin
        while at < len(self._data):
            element = self._element(at, KNOWN)
            if element is not None and element.id == HEAD and at > begin:
                break
            at = self._damage(at) if element is None else self._behind(element, at)
        return at

    def _behind(self, element: Element, at: int) -> int:
        if element.id == SEGMENT:
            self.told_end = element.end or 0
            return element.content
        if element.id == CLUSTER:
            self._cluster_end = len(self._data) if element.end is None else element.end
            self._times.clear()
            return element.content
        if element.end is None or not self._leads_on(element, 1):
            return self._damage(at)
        if element.id == TRACKS:
            self._tracks = frozenset(map(ord, TRACK_NUMBER.findall(bytes(self._data[element.content : element.end]))))
        elif element.id in (BLOCK, BLOCK_GROUP) and not self._is_block(element):
            self.damaged.append((at, element.end))
        return element.end

    def _damage(self, at: int) -> int:
        """Where it goes on; what is before that is damaged."""
        end = next(filter(self._is_landmark, matches(self._data, LANDMARKS, at + MIN_VOID_BYTES)), len(self._data))
        if end - at >= MIN_VOID_BYTES:
            self.damaged.append((at, end))
        return end

    def _is_landmark(self, at: int) -> bool:
        element = self._element(at, KNOWN)
        if element is None:
            return False
        return element.id in (CLUSTER, HEAD) or (at < self._cluster_end and self._leads_on(element, NUM_FOLLOWING))

    def _leads_on(self, element: Element, num_following: int) -> bool:
        """Whether others follow, or the end."""
        following: Element | None = element
        for _ in range(num_following):
            if following is None or following.end is None or following.end >= len(self._data):
                return following is not None and following.end == len(self._data)
            following = self._element(following.end, KNOWN)
        return following is not None

    def _is_block(self, element: Element) -> bool:
        """Whether it is of a track that there is, at a time that can be, laced as others are."""
        at = element.content
        if element.id == BLOCK_GROUP:
            block = self._element(at, {INNER_BLOCK})
            at = len(self._data) if block is None else block.content
        if at + 4 > len(self._data):
            return False
        track, time, flags = struct.unpack_from(">BhB", self._data, at)
        if track ^ ONE_BYTE not in self._tracks or flags & RESERVED:
            return False
        if abs(time - self._times.get(track, time)) > MAX_STEP:
            return False
        lacing = flags & LACING
        if lacing and not self._lacing.setdefault(track, lacing):
            return False
        self._lacing.setdefault(track, lacing)
        self._times[track] = time
        return True

    def _element(self, at: int, allowed: frozenset[int] | set[int]) -> Element | None:
        """The element that begins there; None: none of those `allowed`."""
        if at >= len(self._data):
            return None
        id_bytes = 9 - self._data[at].bit_length()
        size_at = at + id_bytes
        if id_bytes > MAX_ID_BYTES or size_at >= len(self._data) or not self._data[size_at]:
            return None
        number = int.from_bytes(self._data[at:size_at], "big")
        size_bytes = 9 - self._data[size_at].bit_length()
        content = size_at + size_bytes
        mask = (1 << 7 * size_bytes) - 1
        size = int.from_bytes(self._data[size_at:content], "big") & mask
        if number not in allowed or content > len(self._data) or (number == HEAD and not self._is_head(content)):
            return None
        return Element(number, content, None if size == mask else content + size)

    def _is_head(self, content: int) -> bool:
        """The four bytes of its id may be found in any sound."""
        head = bytes(self._data[content : content + MAX_HEAD_BYTES])
        return b"webm" in head or b"matroska" in head
