"""What is in a folder of voices, without reading all of it for each request."""

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
HIDDEN = "."  # begins the names of folders that are being written or removed
SETTLED_NS = 200_000_000  # a change within a tick of the file system's clock does not show in its time

ValueT = TypeVar("ValueT")
Stamp: TypeAlias = tuple[int, int]
"""Which folder it is, and when it got its name."""


@dataclass(frozen=True)
class VoiceCard:
    """What voice.json says. `reference_text` empty: the voice is imitated, else it continues its reference."""

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
    """A folder of voices as it is now; looked at again where it has changed. Any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Stamp, VoiceCard | None]] = {}
        self._names = _Kept(folder, lambda now_ns: frozenset(entry.name for entry in _voices(folder)))
        self._cards = _Kept(folder, self._read_cards)

    def names(self) -> Set[str]:
        """Of the voices, without reading them."""
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


class _Kept(Generic[ValueT]):
    """What `read` made of a folder, at the time in ns that it is called with, until the folder changes."""

    def __init__(self, folder: Path, read: Callable[[int], ValueT]) -> None:
        self._folder = folder
        self._read = read
        self._lock = threading.Lock()
        self._kept: tuple[int, ValueT] | None = None

    def get(self) -> ValueT:
        with self._lock:
            now_ns, changed_ns = time.time_ns(), _changed_ns(self._folder)
            if self._kept is not None and self._kept[0] == changed_ns:
                return self._kept[1]
            value = self._read(now_ns)
            self._kept = (changed_ns, value) if _is_settled(changed_ns, now_ns) else None
            return value


def _is_settled(changed_ns: int, now_ns: int) -> bool:
    return now_ns - changed_ns > SETTLED_NS


def _changed_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _voices(folder: Path) -> list["os.DirEntry[str]"]:
    """What is being written or removed is none."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name[0] != HIDDEN and entry.is_dir()]
    except FileNotFoundError:
        return []


def _stamp(entry: "os.DirEntry[str]") -> Stamp | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # it went while we looked
        return None
    return status.st_ino, status.st_ctime_ns


def _read_card(folder: Path) -> VoiceCard | None:
    try:
        return VoiceCard.read((folder / CARD).read_bytes())
    except FileNotFoundError:  # it went while we looked
        return None
    except (OSError, ValueError):
        log.exception("the voice in %s cannot be read; it is left out", folder)
        return None
