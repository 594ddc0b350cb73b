"""When the nodes of a run may start, and what the end of those before them means for them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from qwen_engine.chains.workflow.graph import Graph
from qwen_engine.chains.workflow.node_task import NodeTask, Skipped
from qwen_engine.chains.workflow.partial_outputs import PartialOutputs
from qwen_engine.chains.workflow.record import TaskRecord
from qwen_engine.chains.workflow.references import references
from qwen_engine.chains.workflow.response_collectors import NodeOutputs

UNCHANGED = ("kept", "skipped")


class Scheduler:
    """Of one run: each node starts as soon as all that it needs has ended, or the list that it follows has begun.

    Example:
        await scheduler.wait_until_ready(name)
        scheduler.require_needs(task)
        ...
        scheduler.end(name, outputs)
    """

    def __init__(self, graph: Graph, records: Mapping[str, TaskRecord]) -> None:
        self._nodes = graph.nodes
        self._records = records
        self._ended = {name: asyncio.Event() for name in graph.nodes}
        self._followed = {name: listed for name in graph.nodes if (listed := graph.follows(name))}
        self._partials = {listed.source: PartialOutputs() for listed in self._followed.values()}
        self._needs = {name: graph.needs(name) - self._sources_followed(name) for name in graph.nodes}

    def partial(self, name: str) -> PartialOutputs | None:
        """What others follow of a node; None: nothing."""
        return self._partials.get(name)

    async def wait_until_ready(self, name: str) -> None:
        for need in self._needs[name]:
            await self._ended[need].wait()
        if followed := self._followed.get(name):
            await self._partials[followed.source].begun(followed)

    def end(self, name: str, outputs: NodeOutputs | None) -> None:
        """The node has ended; `outputs` None: it gave none."""
        if (partial := self.partial(name)) is not None:
            partial.show(outputs, is_whole=True)
        self._ended[name].set()

    def require_needs(self, task: NodeTask) -> None:
        """Raises `Skipped` where a need has failed, or was skipped and the node cannot do without it."""
        self._require(task, self._needs[task.name])

    def follows(self, task: NodeTask) -> bool:
        """Whether the list of a node is taken item by item while it is made."""
        return task.name in self._followed

    async def followed_items(self, task: NodeTask) -> AsyncIterator[tuple[int, Any]]:
        """(number, item) of the list that a node follows. Raises `Skipped` at its end where what made it failed."""
        followed = self._followed[task.name]
        async for number, item in self._partials[followed.source].items(followed):
            yield number, item
        await self._ended[followed.source].wait()
        self._require(task, [followed.source])

    def require_item(self, task: NodeTask) -> None:
        """Raises `Skipped` where the item that an item is made from failed."""
        source = self._source_item(task)
        if source is not None and source.state == "failed":
            raise Skipped(f"{self._followed[task.name].source} failed")

    def may_keep(self, task: NodeTask) -> bool:
        """An earlier result is of use only where all that it was made from is the same."""
        made_from = [self._records[need] for need in self._needs[task.name]]
        followed = self._followed.get(task.name)
        if followed is not None:
            made_from.append(self._source_item(task) or self._records[followed.source])
        return all(record.state in UNCHANGED for record in made_from)

    def _sources_followed(self, name: str) -> set[str]:
        followed = self._followed.get(name)
        return {followed.source} if followed else set()

    def _require(self, task: NodeTask, needs: Iterable[str]) -> None:
        """Whatever needs what has failed is left out, and a model that needs what was skipped; functions get null."""
        used = [task.node.inputs, task.node.options, task.node.user, task.node.foreach]
        required = {one.source for one in references(used)}
        for need in sorted(needs):
            state = self._records[need].state
            if state == "failed" or self._records[need].is_after_failure:
                task.record.is_after_failure = True
                raise Skipped(f"{need} failed" if state == "failed" else f"{need} was left out")
            if state == "skipped" and need in required:
                raise Skipped(f"{need} was skipped")

    def _source_item(self, task: NodeTask) -> TaskRecord | None:
        """What became of the item that an item is made from, where that is one of another node with foreach."""
        followed = self._followed.get(task.name)
        if followed is None or task.item is None or not self._nodes[followed.source].is_list:
            return None
        return self._records[followed.source].items[task.item]
