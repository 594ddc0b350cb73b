"""What a node can call: the tensors of every model and chain, and what each of them holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from qwen_engine.chains.workflow.graph import TENSOR_TYPES, Graph, GraphInput
from qwen_wire.tensors import CHAINS, ENSEMBLES, MODELS, ModelWire, Tensor

Kind = Literal["text", "json", "audio", "image", "bytes", "any"]
Form = Literal["unary", "stream", "chat", "chain"]

# A name means the same in every model.
KINDS: dict[str, Kind] = {
    **dict.fromkeys(["TEXT", "PROMPT", "text_input", "text_output", "text"], "text"),
    **dict.fromkeys(["AUDIO", "REF_AUDIO"], "audio"),
    **dict.fromkeys(["IMAGE", "MASK"], "image"),
    **dict.fromkeys(["RESULT", "EVENT", "TRANSCRIPT", "HEARD", "CHART", "WORKFLOW", "json"], "json"),
    **dict.fromkeys(["OPTIONS", "ASR_OPTIONS", "ALIGN_OPTIONS", "IMAGE_OPTIONS"], "json"),
    "PAYLOAD": "bytes",
}
# What may be left out in a node though the model requires it.
DEFAULTS = {"OPTIONS": b"{}", "ASR_OPTIONS": b"{}", "ALIGN_OPTIONS": b"{}", "IMAGE_OPTIONS": b"{}", "text_input": b""}


@dataclass(frozen=True)
class Port:
    """An input or output: one item of a kind, or a list of them."""

    kind: Kind
    several: bool = False
    optional: bool = False

    def __str__(self) -> str:
        return f"a list of {self.kind}" if self.several else self.kind


JSON, ANYTHING = Port("json"), Port("any")


@dataclass(frozen=True)
class Signature:
    """`outputs` None: known only once it has run."""

    form: Form
    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port] | None

    @property
    def takes_options(self) -> bool:
        return "OPTIONS" in self.inputs


def model_signature(model: ModelWire) -> Signature:
    """Of a model or an ensemble. Tensors of numbers are left out: OPTIONS has all that they say."""
    inputs = _ports(model)
    if "text_output" in model.outputs:
        return Signature("chat", inputs, {"text": Port("text"), "json": JSON, "EVENT": JSON})
    outputs = {name: Port(KINDS[name]) for name in model.outputs}
    return Signature("stream" if model.decoupled else "unary", inputs, outputs)


def chain_signature(graph: Graph) -> Signature:
    """Of a chain that is a graph: its outputs are the graph's."""
    inputs = {tensor.name: _graph_port(graph.inputs[tensor.name.lower()]) for tensor in tensors(graph)}
    options = {"OPTIONS": Port("json", optional=True)}
    return Signature("chain", {**inputs, **options}, dict.fromkeys(graph.outputs, ANYTHING))


def chain_wire(name: str, graph: Graph) -> ModelWire:
    """The Triton model that a graph is served as."""
    return ModelWire(name, (*tensors(graph), Tensor("OPTIONS")), ("PAYLOAD", "EVENT"), decoupled=True)


def tensors(graph: Graph) -> tuple[Tensor, ...]:
    """A tensor for each input that is a file or a text, in upper case; the others are part of OPTIONS."""
    return tuple(
        Tensor(name.upper(), optional=not given.is_required, several=given.several)
        for name, given in graph.inputs.items()
        if given.type in TENSOR_TYPES
    )


def built_in(chains: Mapping[str, Graph]) -> dict[str, Signature]:
    """Of all there is to call, by name; `chains` are those that are graphs."""
    models = [model for model in (*MODELS, *ENSEMBLES) if not model.sequences]
    return {
        **{model.name: model_signature(model) for model in models},
        **{model.name: Signature("chain", _ports(model), None) for model in CHAINS},
        **{name: chain_signature(graph) for name, graph in chains.items()},
    }


def _ports(model: ModelWire) -> dict[str, Port]:
    return {tensor.name: _port(tensor) for tensor in model.inputs if tensor.name in KINDS and tensor.type == "BYTES"}


def _port(tensor: Tensor) -> Port:
    return Port(KINDS[tensor.name], tensor.several, tensor.optional or tensor.name in DEFAULTS)


def _graph_port(given: GraphInput) -> Port:
    return Port("text" if given.type == "text" else "bytes", given.several, not given.is_required)
