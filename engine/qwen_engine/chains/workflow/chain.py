"""Requests of graphs: the general `workflow`, which is sent one, and the named chains, which are one."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from qwen_engine.chains.calls import ModelCalls, Trace
from qwen_engine.chains.event_sinks import event_sink
from qwen_engine.chains.events import Emit
from qwen_engine.chains.workflow.call_slots import CallSlots
from qwen_engine.chains.workflow.functions import QUICK_BYTES
from qwen_engine.chains.workflow.graph import TENSOR_TYPES, Graph, read_graph
from qwen_engine.chains.workflow.input_checks import check_given
from qwen_engine.chains.workflow.input_values import read_values, tensor_value, with_files
from qwen_engine.chains.workflow.item_limits import check_items
from qwen_engine.chains.workflow.record import EarlierRun, digests
from qwen_engine.chains.workflow.run_context import RunContext, Runtime
from qwen_engine.chains.workflow.signatures import built_in
from qwen_engine.chains.workflow.sizes import Held, RunBytes
from qwen_engine.chains.workflow.validation import check
from qwen_engine.chains.workflow.workflow_run import WorkflowRun
from qwen_engine.messages import Inputs
from qwen_engine.settings import ChainSettings
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import ChainOptions, WorkflowOptions, parse_options
from qwen_wire.workflows import WorkflowEnd


def graphs_beside(model_folder: Path) -> dict[str, Graph]:
    """The named chains served from the same repository as the model in `model_folder`, by name."""
    files = sorted(model_folder.parent.glob("*/1/graph.json"))
    return {file.parents[1].name: read_graph(file.read_bytes(), file.parents[1].name) for file in files}


class Workflows:
    """Runs graphs on the models of `calls`. `chains` are those that nodes may call by name.

    Example:
        workflows = Workflows(calls, settings, chains)
        end = await workflows.run(inputs, trace, emit)
    """

    def __init__(self, calls: ModelCalls, settings: ChainSettings, chains: Mapping[str, Graph]) -> None:
        self._settings = settings
        self._held = Held(settings.max_held_bytes)
        self._runtime = Runtime(calls, built_in(chains), settings, CallSlots(settings.max_calls))

    async def run(self, inputs: Inputs, trace: Trace, emit: Emit) -> WorkflowEnd:
        """The general workflow: WORKFLOW is the graph, and files are items of PAYLOAD."""
        return await self._run(await _beside(inputs, partial(self._read, inputs)), inputs, trace, emit)

    async def run_named(self, graph: Graph, inputs: Inputs, trace: Trace, emit: Emit) -> WorkflowEnd:
        """A chain that is `graph`: inputs that are files or texts are tensors of their own."""
        return await self._run(await _beside(inputs, partial(self._read_named, graph, inputs)), inputs, trace, emit)

    def check(self, graph: Graph, name: str) -> None:
        """Raise `InvalidRequest` where the graph could not run here."""
        check(graph, name, self._runtime.signatures, self._settings)

    def _read(self, inputs: Inputs) -> "_Asked":
        options = parse_options(WorkflowOptions, inputs["OPTIONS"])
        payloads = tuple(options.decode(one, "PAYLOAD") for one in inputs.items["PAYLOAD"])
        graph = read_graph(inputs["WORKFLOW"], "WORKFLOW", max_bytes=self._settings.max_workflow_bytes)
        self.check(graph, "WORKFLOW")
        values = {name: with_files(value, payloads) for name, value in options.inputs.items()}
        values = read_values(graph, values)
        kept = EarlierRun(options.resume, payloads, digests(graph, values))
        return self._checked(_Asked(graph, values, kept, options))

    def _read_named(self, graph: Graph, inputs: Inputs) -> "_Asked":
        options = parse_options(ChainOptions, inputs["OPTIONS"] or b"{}")
        tensors = {
            name: tensor_value(name, given, inputs, options)
            for name, given in graph.inputs.items()
            if given.type in TENSOR_TYPES
        }
        both = sorted(set(options.inputs) & set(tensors))
        if both:
            raise InvalidRequest(f"OPTIONS.inputs.{both[0]} is a tensor of its own, {both[0].upper()}")
        given_tensors = {name: value for name, value in tensors.items() if value is not None}
        for name in tensors.keys() - given_tensors.keys():
            if graph.inputs[name].is_required:
                raise InvalidRequest(f"{name.upper()} is missing or empty")
        values = read_values(graph, {**options.inputs, **given_tensors})
        kept = EarlierRun(None, (), digests(graph, values))
        return self._checked(_Asked(graph, values, kept, options))

    def _checked(self, asked: "_Asked") -> "_Asked":
        deadline_s, limit_s = asked.options.deadline_s, self._settings.max_deadline_s
        if deadline_s is not None and deadline_s > limit_s:
            raise InvalidRequest(f"OPTIONS.deadline_s is {deadline_s:g}; the limit is {limit_s:g}")
        check_items(asked.graph, asked.values, self._settings)
        check_given(asked.graph, asked.values, self._settings)
        return asked

    async def _run(self, asked: "_Asked", inputs: Inputs, trace: Trace, emit: Emit) -> WorkflowEnd:
        sink = event_sink(emit, asked.options)
        deadline_s = min(asked.options.deadline_s or self._settings.deadline_s, inputs.caller.left_s)
        with RunBytes(self._settings, self._held) as run_bytes:
            run_bytes.take_files(sum(len(item) for items in inputs.items.values() for item in items))
            context = RunContext(self._runtime, asked.kept, run_bytes, trace, sink.emit, deadline_s)
            return sink.end(await WorkflowRun(asked.graph, asked.values, context).run())


@dataclass(frozen=True)
class _Asked:
    """A request that has been read and checked."""

    graph: Graph
    values: Mapping[str, Any]
    kept: EarlierRun
    options: ChainOptions


async def _beside(inputs: Inputs, read: Callable[[], _Asked]) -> _Asked:
    """What `read` gives. To read a large request takes a while, in which other runs go on."""
    num_bytes = sum(len(item) for items in inputs.items.values() for item in items)
    return read() if num_bytes <= QUICK_BYTES else await asyncio.to_thread(read)
