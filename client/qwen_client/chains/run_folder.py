"""What a workflow made before it failed, in a folder, for another run to go on from."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_client.chains.files import suffix_of
from qwen_client.documents.folder import Folder
from qwen_wire.chains import StageResult
from qwen_wire.errors import InvalidRequest
from qwen_wire.messages import read_message, to_dict
from qwen_wire.workflows import NodeRecord

INDEX = "run.json"


@dataclass(frozen=True)
class Kept:
    """The record of a run, its seeds, and all results of its nodes."""

    record: Mapping[str, NodeRecord]
    seeds: Mapping[str, int]
    results: tuple[StageResult, ...]


def keep(folder: str | os.PathLike[str], kept: Kept) -> None:
    """Write all that is to be kept of a run."""
    files = Folder(folder)
    results = [_result_json(files, result) for result in kept.results]
    files.json(INDEX, {"record": record_json(kept.record), "seeds": dict(kept.seeds), "results": results})


def read_kept(folder: str | os.PathLike[str]) -> Kept:
    """What `keep` wrote.

    Raises:
        InvalidRequest: there are none, or not all of them.
    """
    path = Path(folder)
    try:
        kept = json.loads((path / INDEX).read_text(encoding="utf-8"))
        record = {name: read_message(NodeRecord, one) for name, one in kept["record"].items()}
        return Kept(record, kept.get("seeds", {}), tuple(_read(path, kept["results"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidRequest(f"{path}: there is no run to go on from: {error}") from error


def record_json(record: Mapping[str, NodeRecord]) -> dict[str, Any]:
    """As the end of a run has it."""
    return {name: to_dict(one) for name, one in record.items()}


def _result_json(files: Folder, result: StageResult) -> dict[str, Any]:
    place = {"stage": result.stage, "item": result.item, "output": result.output}
    if not result.payload:
        return {**place, "value": result.value}
    numbered = "" if result.item is None else f"-{result.item}"
    file = files.file(f"{result.stage}{numbered}-{result.output}{suffix_of(result.payload)}")
    file.write_bytes(result.payload)
    return {**place, "file": file.name}


def _read(folder: Path, results: Sequence[dict[str, Any]]) -> Iterator[StageResult]:
    for one in results:
        payload = (folder / one["file"]).read_bytes() if "file" in one else b""
        yield StageResult(
            stage=one["stage"], item=one["item"], output=one["output"], value=one.get("value"), payload=payload
        )
