"""The end of a run: what it gives back, what failed first, and what became of every node."""

from collections.abc import Mapping
from typing import Any

from qwen_engine.chains.workflow.graph import Graph
from qwen_engine.chains.workflow.memory import RunMemory
from qwen_engine.chains.workflow.record import Record
from qwen_engine.chains.workflow.references import resolved
from qwen_engine.chains.workflow.run_context import RunContext
from qwen_engine.chains.workflow.sent_files import SentFiles
from qwen_wire.chains import ErrorInfo
from qwen_wire.errors import QwenError
from qwen_wire.workflows import WorkflowEnd


def ending(
    graph: Graph,
    records: Mapping[str, Record],
    scope: Mapping[str, Any],
    sent: SentFiles,
    context: RunContext,
) -> WorkflowEnd:
    """Of a run whose nodes have all ended; `scope` holds their outputs."""
    outputs, failure = _outputs(graph, scope, sent, context.run_memory), _failure(records)
    for name, (_, error) in outputs.items():
        if error is not None and failure is None:
            failure = ErrorInfo.of(error, f"outputs.{name}")
    return WorkflowEnd(
        finish_reason="failed" if failure else "stop",
        error=failure,
        outputs={name: value for name, (value, _) in outputs.items()},
        record={name: record.as_message() for name, record in records.items()},
        trace_id=context.trace.trace_id,
    )


def _failure(records: Mapping[str, Record]) -> ErrorInfo | None:
    """The error that came first; of a deadline, at a node that was running."""
    failed = [(name, record) for name, record in records.items() if record.error is not None]
    failed.sort(key=lambda one: (one[1].start_s is None, one[1].end_s or 0.0))
    return next((ErrorInfo.of(record.error, name) for name, record in failed if record.error), None)


def _outputs(
    graph: Graph, scope: Mapping[str, Any], sent: SentFiles, run_memory: RunMemory
) -> dict[str, tuple[Any, QwenError | None]]:
    """By name: the value, or why there is none, as where a path leads nowhere in what a model answered."""
    made: dict[str, tuple[Any, QwenError | None]] = {}
    for name, value in graph.outputs.items():
        try:
            made[name] = (sent.places(resolved(value, scope, run_memory.meter())), None)
        except QwenError as error:
            made[name] = (None, error)
    return made
