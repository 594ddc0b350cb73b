"""The end of a run: what it gives back, what failed first, and what became of every node."""

from collections.abc import Mapping
from typing import Any

from qwen_engine.chains.workflow.graph import Graph
from qwen_engine.chains.workflow.record import TaskRecord
from qwen_engine.chains.workflow.references import resolved
from qwen_engine.chains.workflow.run_context import RunContext
from qwen_engine.chains.workflow.sent_files import SentFiles
from qwen_wire.chains import ErrorInfo
from qwen_wire.errors import QwenError
from qwen_wire.workflows import WorkflowEnd


def ending(
    graph: Graph,
    records: Mapping[str, TaskRecord],
    scope: Mapping[str, Any],
    sent: SentFiles,
    context: RunContext,
) -> WorkflowEnd:
    """Of a run whose nodes have all ended; `scope` holds their outputs."""
    outputs: dict[str, Any] = {}
    failure = _failure(records)
    for name, value in graph.outputs.items():
        try:
            outputs[name] = sent.places(resolved(value, scope, context.run_memory.meter()))
        except QwenError as error:  # as where a path leads nowhere in what a model answered
            outputs[name] = None
            failure = failure or ErrorInfo.of(error, f"outputs.{name}")
    return WorkflowEnd(
        finish_reason="failed" if failure else "stop",
        error=failure,
        outputs=outputs,
        record={name: record.as_message() for name, record in records.items()},
        trace_id=context.trace.trace_id,
        seeds={name: scope["inputs"][name] for name in graph.seeds if scope["inputs"][name] is not None},
    )


def _failure(records: Mapping[str, TaskRecord]) -> ErrorInfo | None:
    """The error that came first; of a deadline, at a node that was running."""
    failed = [(name, record) for name, record in records.items() if record.error is not None]
    failed.sort(key=lambda one: (one[1].start_s is None, one[1].end_s or 0.0))
    return next((ErrorInfo.of(record.error, name) for name, record in failed if record.error), None)
