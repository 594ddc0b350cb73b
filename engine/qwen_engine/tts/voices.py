"""Voices that are kept: a folder each, voice.json and tensors.safetensors, for one checkpoint's revision."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from qwen_engine.errors import InvalidRequest
from qwen_engine.tts.cloning import ClonedVoice

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NUM_SAMPLES, SAMPLE_BYTES = 64, 1 << 16


@dataclass(frozen=True)
class VoiceCard:
    """What voice.json says. `reference_text` empty: the voice is imitated, else it continues its reference."""

    name: str
    consent: str
    reference_text: str
    reference_s: float
    created: str


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
    """The voices of one checkpoint. What is there is whole: a voice appears and disappears in one step."""

    def __init__(self, folder: Path, checkpoint: Path, device: str) -> None:
        self._folder = folder / revision(checkpoint)
        self._device = device

    def __contains__(self, name: str) -> bool:
        return bool(NAME.fullmatch(name)) and (self._folder / name).is_dir()

    def cards(self) -> Iterator[VoiceCard]:
        """By name."""
        for folder in sorted(self._folder.glob("[a-z0-9]*")):
            yield VoiceCard(**json.loads((folder / "voice.json").read_text()))

    def add(self, name: str, voice: ClonedVoice, *, consent: str, reference_s: float) -> VoiceCard:
        """Keep `voice`; `InvalidRequest` where the name is taken."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        card = VoiceCard(name, consent, voice.text, round(reference_s, 3), created)
        tensors = {"embedding": voice.embedding.cpu().contiguous()}
        if voice.codes is not None:
            tensors["codes"] = voice.codes.cpu().contiguous()
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            (fresh / "voice.json").write_text(json.dumps(asdict(card), indent=2) + "\n")
            save_file(tensors, fresh / "tensors.safetensors")
            os.rename(fresh, self._folder / name)  # fails where a voice of that name is
        except OSError as error:
            if name in self:
                raise InvalidRequest(f"OPTIONS.voice: a voice {name!r} is there already; remove it first") from error
            raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return card

    def load(self, name: str) -> ClonedVoice:
        """The voice `name`, which must be there."""
        folder = self._folder / name
        card = VoiceCard(**json.loads((folder / "voice.json").read_text()))
        tensors: dict[str, torch.Tensor] = load_file(folder / "tensors.safetensors", device=self._device)
        return ClonedVoice(tensors["embedding"], card.reference_text, tensors.get("codes"))

    def remove(self, name: str) -> None:
        """Forget a voice; `InvalidRequest` where there is none of that name."""
        if name not in self:
            raise InvalidRequest(f"OPTIONS.voice is {name!r}: no such stored voice")
        gone = Path(tempfile.mkdtemp(prefix=".gone-", dir=self._folder))
        os.rename(self._folder / name, gone)
        shutil.rmtree(gone)
