"""Requests of graphs: the general `workflow`, which is sent one, and the named chains, which are one."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from qwen_engine.chains.calls import ModelCalls, Trace
from qwen_engine.chains.deadlines import checked_deadline_s
from qwen_engine.chains.event_sinks import Emit, event_sink
from qwen_engine.chains.workflow.functions import QUICK_BYTES
from qwen_engine.chains.workflow.graph import TENSOR_TYPES, Graph, read_graph
from qwen_engine.chains.workflow.input_checks import check_inputs
from qwen_engine.chains.workflow.input_values import read_values, tensor_value, with_files
from qwen_engine.chains.workflow.item_limits import check_items
from qwen_engine.chains.workflow.memory import MemoryPool, RunMemory
from qwen_engine.chains.workflow.record import EarlierRun, digests
from qwen_engine.chains.workflow.run_context import RunContext, Runtime
from qwen_engine.chains.workflow.signatures import built_in
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
        self._pool = MemoryPool(settings.max_held_bytes)
        self._runtime = Runtime(calls, built_in(chains), settings)

    async def run(self, inputs: Inputs, trace: Trace, emit: Emit) -> WorkflowEnd:
        """The general workflow: WORKFLOW is the graph, and files are items of PAYLOAD."""
        return await self._run(await _read_aside(inputs, partial(self._read, inputs)), inputs, trace, emit)

    async def run_named(self, graph: Graph, inputs: Inputs, trace: Trace, emit: Emit) -> WorkflowEnd:
        """A chain that is `graph`: inputs that are files or texts are tensors of their own."""
        return await self._run(await _read_aside(inputs, partial(self._read_named, graph, inputs)), inputs, trace, emit)

    def check(self, graph: Graph, name: str) -> None:
        """Raise `InvalidRequest` where the graph could not run here."""
        check(graph, name, self._runtime.signatures, self._settings)

    def _read(self, inputs: Inputs) -> "_GraphRequest":
        options = parse_options(WorkflowOptions, inputs["OPTIONS"])
        payloads = tuple(options.decode(one, "PAYLOAD") for one in inputs.items["PAYLOAD"])
        graph = read_graph(inputs["WORKFLOW"], "WORKFLOW", max_bytes=self._settings.max_workflow_bytes)
        self.check(graph, "WORKFLOW")
        values = {name: with_files(value, payloads) for name, value in options.inputs.items()}
        values = read_values(graph, values | _earlier_seeds(graph, options))
        earlier = EarlierRun(options.resume, payloads, digests(graph, values))
        return self._checked(_GraphRequest(graph, values, earlier, options))

    def _read_named(self, graph: Graph, inputs: Inputs) -> "_GraphRequest":
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
        earlier = EarlierRun(None, (), digests(graph, values))
        return self._checked(_GraphRequest(graph, values, earlier, options))

    def _checked(self, request: "_GraphRequest") -> "_GraphRequest":
        checked_deadline_s(request.options.deadline_s, self._settings)
        check_items(request.graph, request.values, self._settings)
        check_inputs(request.graph, request.values, self._settings)
        return request

    async def _run(self, request: "_GraphRequest", inputs: Inputs, trace: Trace, emit: Emit) -> WorkflowEnd:
        sink = event_sink(emit, request.options)
        deadline_s = min(checked_deadline_s(request.options.deadline_s, self._settings), inputs.caller.left_s)
        with RunMemory(self._settings, self._pool) as run_memory:
            run_memory.take_files(_num_bytes(inputs))
            context = RunContext(self._runtime, request.earlier, run_memory, trace, sink.emit, deadline_s)
            return sink.end(await WorkflowRun(request.graph, request.values, context).run())


@dataclass(frozen=True)
class _GraphRequest:
    """A request that has been read and checked."""

    graph: Graph
    values: Mapping[str, Any]
    earlier: EarlierRun
    options: ChainOptions


def _earlier_seeds(graph: Graph, options: WorkflowOptions) -> dict[str, int]:
    """With those that were random in the run that is resumed, its results are as they would be made again."""
    earlier = options.resume.seeds if options.resume else {}
    return {name: earlier[name] for name in graph.seeds if name in earlier and options.inputs.get(name) is None}


async def _read_aside(inputs: Inputs, read: Callable[[], _GraphRequest]) -> _GraphRequest:
    """What `read` gives. To read a large request takes a while, in which other runs go on."""
    return read() if _num_bytes(inputs) <= QUICK_BYTES else await asyncio.to_thread(read)


def _num_bytes(inputs: Inputs) -> int:
    return sum(len(item) for items in inputs.items.values() for item in items)
