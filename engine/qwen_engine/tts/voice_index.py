"""A cached index of a folder of voices."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeAlias, TypeVar

log = logging.getLogger(__name__)

CARD = "voice.json"
HIDDEN = "."  # prefix of folders that are being written or removed
SETTLED_NS = 200_000_000  # changes within a tick of the file system's clock have the same time

ValueT = TypeVar("ValueT")
Stamp: TypeAlias = tuple[int, int]
"""Inode and ctime of a folder."""


@dataclass(frozen=True)
class VoiceCard:
    """The contents of voice.json. With a `reference_text`, the voice is cloned in context."""

    name: str
    consent: str
    reference_text: str
    reference_s: float
    created: str

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises `ValueError` where `data` is no voice.json."""
        try:
            return cls(**json.loads(data))
        except TypeError as error:
            raise ValueError(str(error)) from error


class VoiceIndex:
    """The current contents of a folder of voices; read again when it has changed. Any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Stamp, VoiceCard | None]] = {}
        self._names = _FolderCache(folder, lambda now_ns: frozenset(entry.name for entry in _voices(folder)))
        self._cards = _FolderCache(folder, self._read_cards)

    def names(self) -> Set[str]:
        """The names of the voices, without reading them."""
        return self._names.get()

    def cards(self) -> Mapping[str, VoiceCard]:
        """By name, in order. Only those that are new are read."""
        return self._cards.get()

    def _read_cards(self, now_ns: int) -> Mapping[str, VoiceCard]:
        known, cards = {}, {}
        for entry in sorted(_voices(self._folder), key=lambda entry: entry.name):
            if (stamp := _stamp(entry)) is None:
                continue
            known_stamp, card = self._known.get(entry.name, (None, None))
            if stamp != known_stamp:
                card = _read_card(self._folder / entry.name)
            if _is_settled(stamp[1], now_ns):
                known[entry.name] = stamp, card
            if card is not None:
                cards[entry.name] = card
        self._known = known
        return cards


class _FolderCache(Generic[ValueT]):
    """The result of `read`, which gets the time in ns, until the folder changes."""

    def __init__(self, folder: Path, read: Callable[[int], ValueT]) -> None:
        self._folder = folder
        self._read = read
        self._lock = threading.Lock()
        self._cached: tuple[int, ValueT] | None = None

    def get(self) -> ValueT:
        with self._lock:
            now_ns, changed_ns = time.time_ns(), _changed_ns(self._folder)
            if self._cached is not None and self._cached[0] == changed_ns:
                return self._cached[1]
            value = self._read(now_ns)
            self._cached = (changed_ns, value) if _is_settled(changed_ns, now_ns) else None
            return value


def _is_settled(changed_ns: int, now_ns: int) -> bool:
    return now_ns - changed_ns > SETTLED_NS


def _changed_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _voices(folder: Path) -> list["os.DirEntry[str]"]:
    """Without those that are being written or removed."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name[0] != HIDDEN and entry.is_dir()]
    except FileNotFoundError:
        return []


def _stamp(entry: "os.DirEntry[str]") -> Stamp | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed meanwhile
        return None
    return status.st_ino, status.st_ctime_ns


def _read_card(folder: Path) -> VoiceCard | None:
    try:
        return VoiceCard.read((folder / CARD).read_bytes())
    except FileNotFoundError:  # removed meanwhile
        return None
    except (OSError, ValueError):
        log.exception("the voice in %s cannot be read; it is left out", folder)
        return None
