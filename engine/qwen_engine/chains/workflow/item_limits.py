"""Items of lists that are known before a run: too many are refused before anything is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qwen_engine.chains.workflow.graph import Graph
from qwen_engine.chains.workflow.references import look_up, whole_reference
from qwen_engine.settings import ChainSettings
from qwen_wire.errors import InvalidRequest


def check_items(graph: Graph, values: Mapping[str, Any], settings: ChainSettings) -> None:
    """Raise `InvalidRequest` where nodes are certain to run for more items than one may, or all together.

    `values`: of the graph's inputs. What only a run shows, that counts itself.
    """
    known = _KnownItems(graph, values)
    numbers = {name: num for name in graph.nodes if known.is_certain(name) and (num := known.number(name)) is not None}
    for name, number in numbers.items():
        if number > settings.max_items:
            raise InvalidRequest(f"nodes.{name}.foreach has {number} items; the limit is {settings.max_items}")
    if (total := sum(numbers.values())) > settings.max_run_items:
        raise InvalidRequest(f"all nodes together have {total} items; the limit is {settings.max_run_items}")


@dataclass(frozen=True)
class _KnownItems:
    graph: Graph
    values: Mapping[str, Any]
    certain: dict[str, bool] = field(default_factory=dict)

    def is_certain(self, name: str) -> bool:
        """Whether neither a node nor any that it needs may be skipped as a whole."""
        if name not in self.certain:
            node = self.graph.nodes[name]
            always = node.when is True or node.chooses_items
            self.certain[name] = always and all(map(self.is_certain, self.graph.needs(name)))
        return self.certain[name]

    def number(self, name: str) -> int | None:
        """The items of a node; None: it has no list, or that is not known yet."""
        listed = self.graph.nodes[name].foreach
        whole = whole_reference(listed)
        if whole is None:
            return len(listed) if isinstance(listed, list) else None
        if whole.source in self.graph.nodes:
            return self.number(whole.source) if len(whole.path) == 1 else None
        try:
            found = look_up(whole, {"inputs": self.values})
        except InvalidRequest:  # the run tells of it, with its stage
            return None
        return len(found) if isinstance(found, list) else None
