"""`demo/checkpoints/manifest.json`: for every checkpoint its files' sha256, how it was made, what it can do."""

import hashlib
import json
from pathlib import Path
from typing import Any

CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"
MANIFEST = CHECKPOINTS / "manifest.json"


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file below `folder`, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def record(name: str, **facts: Any) -> None:
    """Merge `facts` (seed, command, corpus, training_s, quality, ...) and fresh digests into the entry `name`."""
    entries = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else {}
    entry = entries.get(name, {"what": "demo checkpoint, closed vocabulary"})
    entry.update(facts, sha256=digests(CHECKPOINTS / name))
    entries[name] = entry
    MANIFEST.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n")
