"""Whether a workflow can run, checked before: every reference leads somewhere, every tensor gets what it takes."""

import graphlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qwen_engine.chains.tasks.prompts import prompt
from qwen_engine.chains.workflow import functions
from qwen_engine.chains.workflow.graph import Graph, GraphInput, Node
from qwen_engine.chains.workflow.references import Reference, references, whole_reference
from qwen_engine.chains.workflow.signatures import ANYTHING, JSON, Kind, Port, Signature
from qwen_engine.settings import ChainSettings
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import cut

COMPATIBLE: dict[Kind, set[Kind]] = {
    "text": {"text", "json"},
    "json": {"json", "text"},
    "audio": {"audio", "bytes"},
    "image": {"image", "bytes"},
    "bytes": {"bytes", "audio", "image", "text"},
}
FILES = ("audio", "image", "bytes")
ENCODINGS = ("input_encoding", "output_encoding")


def check(graph: Graph, name: str, signatures: Mapping[str, Signature], settings: ChainSettings) -> None:
    """Raise `InvalidRequest` for what could not run, with the node in the message; `name` is the graph's own."""
    if len(graph.nodes) > settings.max_nodes:
        raise InvalidRequest(f"{name} has {len(graph.nodes)} nodes; the limit is {settings.max_nodes}")
    checker = _Checker(graph, name, signatures, settings)
    for node in graph.nodes:
        checker.check_node(node)
    for output, value in graph.outputs.items():
        for reference in references(value):
            checker.port(reference, f"{name}.outputs.{output}", None)
        if (whole := whole_reference(value)) and whole.source == "inputs" and checker.holds_file(value, name, None):
            raise InvalidRequest(f"{name}.outputs.{output} is {value}, a file that was sent")
    _check_order(graph, name)


def _check_order(graph: Graph, name: str) -> None:
    try:
        graphlib.TopologicalSorter({node: graph.needs(node) for node in graph.nodes}).prepare()
    except graphlib.CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise InvalidRequest(f"{name}.nodes.{error.args[1][0]} needs itself: {circle}") from None


@dataclass(frozen=True)
class _Foreach:
    """Of a node: the sources that its list refers to, and what an item of it is."""

    sources: frozenset[str]
    item: Port


@dataclass(frozen=True)
class _Checker:
    graph: Graph
    name: str
    signatures: Mapping[str, Signature]
    settings: ChainSettings
    lists: dict[str, _Foreach] = field(default_factory=dict)
    """By where the node is; read once, since many references of a node may be to its item."""

    def check_node(self, name: str) -> None:
        node, where = self.graph.nodes[name], f"{self.name}.nodes.{name}"
        for reference in node.references():
            self.port(reference, where, node)
        if node.is_list:
            self._check_list(node, where)
        if node.model is not None:
            self._check_model(node, node.model, where)
        else:
            functions.check_arguments(node.function or "", node.arguments, where)

    def port(self, reference: Reference, where: str, node: Node | None) -> Port:
        """What a reference in a `node` (None: in the outputs) stands for."""
        root, path = self._root(reference, where, node)
        for part in path:
            root = _within(root, part, reference, where)
        return root

    def holds_file(self, value: Any, where: str, node: Node | None) -> bool:
        return any(self.port(one, where, node).kind in FILES for one in references(value))

    def _root(self, reference: Reference, where: str, node: Node | None) -> tuple[Port, tuple[str, ...]]:
        source, path = reference.source, reference.path
        if source == "inputs":
            known: Mapping[str, Any] | None = self.graph.inputs
            self._require_first(reference, known, where, "inputs")
            return _input_port(self.graph.inputs[path[0]]), path[1:]
        if source in ("item", "index"):
            if node is None or not node.is_list or source in self._foreach(node, where).sources:
                raise InvalidRequest(f"{where}: {reference} is known within a node with foreach only")
            return (self._foreach(node, where).item if source == "item" else JSON), path
        if source not in self.graph.nodes:
            known_nodes = ", ".join(["inputs", *self.graph.nodes])
            raise InvalidRequest(f"{where}: {reference} refers to {source!r}; there are {known_nodes}")
        outputs = self._outputs(self.graph.nodes[source])
        self._require_first(reference, outputs, where, "outputs")
        port = ANYTHING if outputs is None else outputs[path[0]]
        return (Port(port.kind, several=True) if self.graph.nodes[source].is_list else port), path[1:]

    def _require_first(self, reference: Reference, known: Mapping[str, Any] | None, where: str, what: str) -> None:
        if not reference.path or (known is not None and reference.path[0] not in known):
            choice = "" if known is None else f": {', '.join(known) or 'none'}"
            raise InvalidRequest(f"{where}: {reference} has to name one of the {what} of {reference.source}{choice}")

    def _outputs(self, node: Node) -> Mapping[str, Port] | None:
        if node.model is None:
            return {functions.RESULT: ANYTHING}
        signature = self.signatures.get(node.model)
        return signature.outputs if signature else None

    def _foreach(self, node: Node, where: str) -> _Foreach:
        if where not in self.lists:
            sources = frozenset(one.source for one in references(node.foreach))
            self.lists[where] = _Foreach(sources, ANYTHING)  # what an item is cannot depend on what an item is
            given = self._given(node.foreach, where, node)
            item = Port(given.kind) if given.several else JSON if given.kind in ("json", "text") else ANYTHING
            self.lists[where] = _Foreach(sources, item)
        return self.lists[where]

    def _check_list(self, node: Node, where: str) -> None:
        given = self._given(node.foreach, where, node)
        if not given.several and given.kind not in ("json", "any"):
            raise InvalidRequest(f"{where}.foreach is one {given}; it takes a list")

    def _check_model(self, node: Node, model: str, where: str) -> None:
        if model not in self.signatures:
            known = ", ".join(sorted(self.signatures))
            raise InvalidRequest(f"{where}.model is {cut(model)!r}, which is unknown; known: {known}")
        if model not in self.settings.served:
            served = ", ".join(sorted(set(self.settings.served) & set(self.signatures)))
            raise InvalidRequest(f"{where}.model is {cut(model)!r}, which is not served here; served: {served}")
        signature = self.signatures[model]
        self._check_tensors(node, signature, where)
        self._check_options(node, signature, where)

    def _check_tensors(self, node: Node, signature: Signature, where: str) -> None:
        allowed = {name: port for name, port in signature.inputs.items() if name != "OPTIONS"}
        for name, value in node.inputs.items():
            if name not in allowed:
                hint = "; its options have a field of their own" if name == "OPTIONS" else ""
                raise InvalidRequest(
                    f"{where}.inputs.{cut(name)} is unknown; {node.model} takes {', '.join(allowed)}{hint}"
                )
            _require_fit(self._given(value, where, node), allowed[name], f"{where}.inputs.{name}")
        missing = [name for name, port in allowed.items() if not port.optional and name not in node.inputs]
        if missing:
            raise InvalidRequest(f"{where}.inputs.{missing[0]} is missing; {node.model} needs it")

    def _check_options(self, node: Node, signature: Signature, where: str) -> None:
        if node.options and not signature.takes_options:
            raise InvalidRequest(
                f"{where}.options: {node.model} takes none; its inputs are {', '.join(signature.inputs)}"
            )
        if self.holds_file([node.options, node.user], where, node):
            raise InvalidRequest(f"{where}.options hold a file; a file belongs into inputs")
        for name in ENCODINGS:
            if name in node.options:
                raise InvalidRequest(f"{where}.options.{name}: payloads between models are always raw")
        if "stream" in node.options:
            raise InvalidRequest(f"{where}.options.stream: a chain takes every answer in pieces")
        if node.prompt is not None:
            if signature.form != "chat":
                raise InvalidRequest(f"{where}.prompt goes with a chat model, not with {node.model}")
            prompt(node.prompt)

    def _given(self, value: Any, where: str, node: Node) -> Port:
        """What a value in a node is."""
        if (whole := whole_reference(value)) is not None:
            return self.port(whole, where, node)
        if isinstance(value, str):
            if self.holds_file(value, where, node):
                raise InvalidRequest(f"{where}: a file cannot be part of the text {cut(value)!r}")
            return Port("text")
        if isinstance(value, list) and self.holds_file(value, where, node):
            return Port("bytes", several=True)
        return ANYTHING if value is None else JSON


def _input_port(given: GraphInput) -> Port:
    return Port(given.type if given.type in ("bytes", "text") else "json", given.several)


def _within(port: Port, part: str, reference: Reference, where: str) -> Port:
    if port.several:
        if not part.isdecimal() and port.kind != "json":
            raise InvalidRequest(f"{where}: {reference}: {cut(part)!r} is no place in {port}")
        return Port(port.kind)
    if port.kind in ("json", "any"):
        return port
    raise InvalidRequest(f"{where}: {reference}: there is no {cut(part)!r} in {port.kind}")


def _require_fit(given: Port, wanted: Port, where: str) -> None:
    is_list_for_one = given.several and not wanted.several and wanted.kind != "json"
    fits = given.kind == "any" or wanted.kind == "any" or given.kind in COMPATIBLE[wanted.kind]
    if not fits or (is_list_for_one and given.kind != "any"):
        hint = "; a node with foreach takes them one by one" if fits else ""
        raise InvalidRequest(f"{where} takes {wanted}, but is given {given}{hint}")
