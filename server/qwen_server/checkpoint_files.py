"""Whether a checkpoint's files are whole: by their headers, their names in the cache, and a manifest."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEADER_SIZE_BYTES = 8
MODEL_INDEX = "model_index.json"  # of diffusers: a folder a component
MANIFEST = "manifest.json"
GIT_SHA1, SHA256 = (re.compile(rf"[0-9a-f]{{{length}}}") for length in (40, 64))


def wrong_layout(folder: Path) -> str:
    """What to do where the folder has another layout than transformers'; empty if it is theirs."""
    if "thinker_config" in _json(folder / "config.json"):
        return "its layout is that of the package qwen-asr; name the repository whose name ends in -hf"
    return ""


def damaged_files(folder: Path) -> dict[Path, str]:
    """What is wrong with which file: missing, shorter or longer than it says itself, or of another hash.

    Hashes are those that a Hugging Face cache names its files by, and those of the demo checkpoints' manifest.
    """
    damaged = {file: "is missing" for file in _needed(folder) if not file.is_file()}
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        if file.suffix == ".json" and _value(file) is None:
            damaged[file] = "holds no JSON"
        elif file.suffix == ".safetensors" and not _is_as_long_as_it_says(file):
            damaged[file] = "is not as long as its header says"
        elif _has_another_hash(file):
            damaged[file] = "has another hash than the one published"
    return damaged | _changed_since_publishing(folder)


def _needed(folder: Path) -> Iterator[Path]:
    """The configuration, and the weights of it or of each of its components."""
    index = folder / MODEL_INDEX
    if index.is_file():
        for name, value in _json(index).items():
            if isinstance(value, list) and value[0] is not None:
                yield from _needed_of_component(folder / name)
        return
    yield folder / "config.json"
    yield from _weights(folder)


def _needed_of_component(folder: Path) -> Iterator[Path]:
    """Tokenizers and schedulers have no weights."""
    if (folder / "config.json").is_file():
        yield from _weights(folder)
    elif not folder.is_dir():
        yield folder


def _weights(folder: Path) -> Iterator[Path]:
    indices = list(folder.glob("*.safetensors.index.json"))
    for index in indices:
        yield from {index.parent / name for name in _json(index).get("weight_map", {}).values()}
    if not indices and not list(folder.glob("*.safetensors")):
        yield folder / "model.safetensors"


def _json(file: Path) -> dict[str, Any]:
    """The object in `file`; empty where there is none."""
    value = _value(file)
    return value if isinstance(value, dict) else {}


def _value(file: Path) -> object:
    """What `file` holds; None where it is missing or holds no JSON."""
    try:
        return json.loads(file.read_bytes()) if file.is_file() else None
    except ValueError:  # also of bytes that are no UTF-8
        return None


def _is_as_long_as_it_says(file: Path) -> bool:
    """Format: https://github.com/huggingface/safetensors, README, "Format"."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        num_header_bytes = int.from_bytes(stream.read(HEADER_SIZE_BYTES), "little")
        if not 0 < num_header_bytes <= size - HEADER_SIZE_BYTES:
            return False
        try:
            header = json.loads(stream.read(num_header_bytes))
        except ValueError:
            return False
    ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
    return HEADER_SIZE_BYTES + num_header_bytes + max(ends, default=0) == size


def _has_another_hash(file: Path) -> bool:
    """False for files that no cache names: these are links to `blobs/HASH`, git's hash of a small file's blob or the
    sha256 of a large one (huggingface_hub, "Understand caching")."""
    blob = file.resolve()
    if not file.is_symlink() or blob.parent.name != "blobs":
        return False
    if SHA256.fullmatch(blob.name):
        return sha256(blob) != blob.name
    if GIT_SHA1.fullmatch(blob.name):
        content = blob.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() != blob.name
    return False


def _changed_since_publishing(folder: Path) -> dict[Path, str]:
    manifest = folder.parent / MANIFEST
    entries = json.loads(manifest.read_text()) if manifest.is_file() else {}
    expected: dict[str, str] = entries.get(folder.name, {}).get("sha256", {})
    files = {folder / name: digest for name, digest in expected.items()}
    return {
        file: "has changed" if file.is_file() else "is missing"
        for file, digest in files.items()
        if not file.is_file() or sha256(file) != digest
    }


def sha256(file: Path) -> str:
    """In hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
