"""What became of each node of a run, and what of it a later run need not do again."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qwen_engine.chains.workflow.graph import Graph
from qwen_wire.chains import ErrorInfo
from qwen_wire.errors import InvalidRequest, QwenError
from qwen_wire.json_text import cut
from qwen_wire.options import KeptRecord, KeptResult, Resume
from qwen_wire.workflows import NodeRecord, NodeState

HAS_OUTPUTS = ("done", "kept")
DIGEST_CHARS = 32


@dataclass
class TaskRecord:
    """One node, or one item of it. Times are seconds since the run began."""

    state: NodeState = "waiting"
    start_s: float | None = None
    end_s: float | None = None
    attempts: int = 0
    error: QwenError | None = None
    reason: str | None = None
    digest: str = ""
    items: list["TaskRecord"] = field(default_factory=list)
    is_after_failure: bool = False  # left out since something before it failed

    def cancel(self, error: QwenError) -> None:
        """It, and those of its items that have not ended, never will."""
        self.state, self.error = "cancelled", error
        for item in self.items:
            if item.state in ("waiting", "running"):
                item.state = "cancelled"

    def as_message(self) -> NodeRecord:
        return NodeRecord(
            state=self.state,
            start_s=_rounded(self.start_s),
            end_s=_rounded(self.end_s),
            attempts=self.attempts,
            error=ErrorInfo.of(self.error) if self.error else None,
            reason=self.reason,
            digest=self.digest,
            items=tuple(item.as_message() for item in self.items),
        )


def _rounded(time_s: float | None) -> float | None:
    return None if time_s is None else round(time_s, 4)


def digests(graph: Graph, values: Mapping[str, Any]) -> dict[str, str]:
    """For each node a digest of all that its outputs depend on: its definition, inputs, and the nodes before it."""
    made: dict[str, str] = {}
    known: dict[int, str] = {}
    inputs = {name: _value_digest(value, known) for name, value in values.items()}

    def digest(name: str) -> str:
        if name not in made:
            node = graph.nodes[name]
            read = sorted({one.path[0] for one in node.references() if one.source == "inputs"})
            parts = [node.model_dump_json(), *(digest(need) for need in sorted(graph.needs(name)))]
            made[name] = _sha256([*parts, *(inputs[one] for one in read)])
        return made[name]

    return {name: digest(name) for name in graph.nodes}


def _value_digest(value: Any, known: dict[int, str]) -> str:
    """A value by its digest, and files in it by theirs, which are `known` by id: many items may be the same file."""

    def file_digest(file: bytes) -> dict[str, str]:
        if id(file) not in known:
            known[id(file)] = hashlib.sha256(file).hexdigest()
        return {"sha256": known[id(file)]}

    return _sha256(["value", json.dumps(value, sort_keys=True, default=file_digest)])


def _sha256(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:DIGEST_CHARS]


class EarlierRun:
    """The outputs of nodes and items that are as they would be made again."""

    def __init__(self, resume: Resume | None, payloads: Sequence[bytes], digests: Mapping[str, str]) -> None:
        self.digests = digests
        self._record = resume.record if resume else {}
        self._outputs: dict[tuple[str, int | None], dict[str, Any]] = {}
        for result in resume.results if resume else ():
            outputs = self._outputs.setdefault((result.stage, result.item), {})
            _insert(outputs, result.output, _value(result, payloads))

    def outputs(self, name: str, item: int | None = None) -> dict[str, Any] | None:
        """None: the node, or the item of it, has to run."""
        record = self._record.get(name, KeptRecord())
        if record.digest != self.digests[name]:
            return None
        if item is not None:
            record = record.items[item] if item < len(record.items) else KeptRecord()
        return self._outputs.get((name, item)) if record.state in HAS_OUTPUTS else None


def _value(result: KeptResult, payloads: Sequence[bytes]) -> Any:
    if result.payload is None:
        return result.value
    if result.payload >= len(payloads):
        raise InvalidRequest(f"OPTIONS.resume.results: PAYLOAD has no item {result.payload}, it has {len(payloads)}")
    return payloads[result.payload]


def _insert(outputs: dict[str, Any], output: str, value: Any) -> None:
    """Put a result where its output's name says: IMAGE, or IMAGE.0 where there are several, in order."""
    name, _, number = output.rpartition(".")
    if not name or not number.isdecimal():
        outputs[output] = value
    elif isinstance(several := outputs.setdefault(name, []), list):
        several.append(value)
    else:
        raise InvalidRequest(f"OPTIONS.resume.results: {cut(output)} is one of several, but {cut(name)} is there, too")


def flattened(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """An output as results: JSON and files as they are, each file of a list apart."""
    if isinstance(value, list) and any(isinstance(one, bytes) for one in value):
        for number, one in enumerate(value):
            yield f"{name}.{number}", one
    else:
        yield name, value
