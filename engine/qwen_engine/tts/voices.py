"""Stored voices: a folder each, voice.json and tensors.safetensors, for a checkpoint's revision and a tenant.

REVISION/TENANT/NAME below the profile's `voice_folder`; only the server's user can read them. Several processes may
share them: voices are added and removed atomically.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Set
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from safetensors.torch import load, save

from qwen_engine.tts.request import ClonedVoice
from qwen_engine.tts.voice_index import CARD, VoiceCard, VoiceIndex
from qwen_wire.errors import InvalidRequest

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
TENSORS = "tensors.safetensors"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
NUM_SAMPLES, SAMPLE_BYTES = 64, 1 << 16


def revision(folder: Path) -> str:
    """A short name for a checkpoint's weights: the hub's commit, or a digest of samples of their bytes."""
    if folder.parent.name == "snapshots":
        return folder.name[:16]
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for file in sorted(folder.glob("*.safetensors")):
        size = file.stat().st_size
        digest.update(str(size).encode())
        with file.open("rb") as stream:
            for index in range(NUM_SAMPLES):
                stream.seek(size * index // NUM_SAMPLES)
                digest.update(stream.read(SAMPLE_BYTES))
    return digest.hexdigest()[:16]


class VoiceStore:
    """The voices of one checkpoint; each tenant has its own. Any thread."""

    def __init__(self, folder: Path, checkpoint: Path, device: str, *, max_voices: int) -> None:
        self._folder = folder / revision(checkpoint)
        self._device = device
        self._max_voices = max_voices
        self._indexes: dict[str, VoiceIndex] = {}

    def names(self, tenant: str) -> Set[str]:
        """The names of the `tenant`'s voices."""
        return index.names() if (index := self._index(tenant)) else frozenset()

    def cards(self, tenant: str) -> Mapping[str, VoiceCard]:
        """The `tenant`'s voices by name, in order."""
        return index.cards() if (index := self._index(tenant)) else {}

    def check_new(self, tenant: str, name: str) -> None:
        """Raise `InvalidRequest` where the name is invalid or taken, or the tenant has as many voices as it may."""
        names = self.names(tenant)
        if not NAME.fullmatch(name):
            raise InvalidRequest(f"OPTIONS.voice is {name[:80]!r}: use up to 64 of a-z, 0-9, - and _")
        if name in names:
            raise InvalidRequest(f"OPTIONS.voice is {name!r}, which is taken; remove that voice first")
        if len(names) >= self._max_voices:
            raise InvalidRequest(f"{len(names)} voices are kept for this tenant, the limit; remove one first")

    def add(self, tenant: str, name: str, voice: ClonedVoice, *, consent: str, reference_s: float) -> VoiceCard:
        """Store `voice`. Raises `InvalidRequest` as `check_new` does."""
        self.check_new(tenant, name)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        card = VoiceCard(name, consent, voice.text, round(reference_s, 3), created)
        tensors = {"embedding": voice.embedding.cpu().contiguous()}
        if voice.codes is not None:
            tensors["codes"] = voice.codes.cpu().contiguous()
        folder = self._private_folder(tenant)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))  # for this user only
        try:
            _write(fresh / CARD, json.dumps(asdict(card), indent=2).encode() + b"\n")
            _write(fresh / TENSORS, save(tensors))
            os.rename(fresh, folder / name)  # fails where a voice of that name is
        except OSError:
            self.check_new(tenant, name)  # another process may have been faster
            raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return card

    def load(self, tenant: str, name: str) -> ClonedVoice:
        """The voice `name`; `InvalidRequest` where there is none, or none any more."""
        try:
            card, data = self._read(tenant, name)
        except FileNotFoundError:
            raise InvalidRequest(f"OPTIONS.voice is {name!r}, which was removed meanwhile") from None
        tensors = {key: tensor.to(self._device) for key, tensor in load(data).items()}
        return ClonedVoice(tensors["embedding"], card.reference_text, tensors.get("codes"))

    def remove(self, tenant: str, name: str) -> VoiceCard:
        """Remove a voice; returns its card. `InvalidRequest` where there is none of that name."""
        if name in self.names(tenant):
            gone = Path(tempfile.mkdtemp(prefix=".gone-", dir=self._folder / tenant))
            try:
                os.rename(self._folder / tenant / name, gone)
                return VoiceCard.read(gone.joinpath(CARD).read_bytes())
            except FileNotFoundError:
                pass  # another process was faster
            finally:
                shutil.rmtree(gone, ignore_errors=True)
        raise InvalidRequest(f"OPTIONS.voice is {name[:80]!r}: no such stored voice")

    def _index(self, tenant: str) -> VoiceIndex | None:
        """None: the tenant has no voices."""
        if tenant not in self._indexes and (self._folder / tenant).is_dir():
            self._indexes.setdefault(tenant, VoiceIndex(self._folder / tenant))
        return self._indexes.get(tenant)

    def _read(self, tenant: str, name: str) -> tuple[VoiceCard, bytes]:
        """Card and tensors of one voice, even if another one takes its name meanwhile."""
        folder = os.open(self._folder / tenant / name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return VoiceCard.read(_read_in(folder, CARD)), _read_in(folder, TENSORS)
        finally:
            os.close(folder)

    def _private_folder(self, tenant: str) -> Path:
        folder = self._folder / tenant
        for one in (self._folder.parent, self._folder, folder):
            one.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        return folder


def _write(file: Path, data: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as stream:
        stream.write(data)


def _read_in(folder: int, name: str) -> bytes:
    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as stream:
        return stream.read()
