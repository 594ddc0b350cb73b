"""A workflow as its JSON says: inputs, nodes and outputs. What only the whole of it shows is checked in validate.py."""

from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails

from qwen_engine.chains.workflow.references import Reference, references, whole_reference
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import MAX_BYTES, first_problem, place, read_json_object

InputType = Literal["bytes", "text", "integer", "number", "boolean", "json", "seed"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
OutputName = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]{0,99}$")]  # the name of a file, too
RESERVED = ("inputs", "item", "index")
TENSOR_TYPES = ("bytes", "text")


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class GraphInput(Part):
    """What a workflow is given: files (`bytes`) and texts, or a JSON value. A `seed` that is left out is random."""

    type: InputType
    several: bool = Field(False, description="a list of them")
    optional: bool = Field(False, description="null, where it is left out")
    default: Any = Field(None, description="where it is left out")

    @property
    def is_required(self) -> bool:
        return not self.optional and self.default is None and not self.is_seed

    @property
    def is_seed(self) -> bool:
        """One number for random numbers."""
        return self.type == "seed" and not self.several


class Node(Part):
    """One stage: a call of a `model`, or a `function`; once, or once for each item of the list `foreach`."""

    model: str | None = None
    function: str | None = None
    inputs: dict[str, Any] = Field(default_factory=dict, description="tensors of the model")
    options: dict[str, Any] = Field(default_factory=dict, description="its OPTIONS")
    prompt: str | None = Field(None, description="a task of prompts.toml, for a chat model")
    user: str | None = Field(None, description="what the user says, with `prompt`")
    arguments: dict[str, Any] = Field(default_factory=dict, description="of the function")
    foreach: Any = None
    max_parallel: int | None = Field(None, ge=1, le=256, description="items at once; null: the profile's")
    when: Any = Field(True, description="false, null, empty or zero: the node is skipped")
    retries: int = Field(0, ge=0, le=5, description="after UNAVAILABLE and INTERNAL")
    timeout_s: float | None = Field(None, gt=0, description="of each attempt")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.model is None) == (self.function is None):
            raise ValueError("it needs either a model or a function")
        foreign = ("arguments",) if self.model else ("inputs", "options", "prompt", "user", "timeout_s", "retries")
        wrong = [name for name in foreign if name in self.model_fields_set]
        if wrong:
            raise ValueError(f"{wrong[0]} does not go with a {'model' if self.model else 'function'}")
        if (self.prompt is None) != (self.user is None):
            raise ValueError("prompt and user go together")
        return self

    def references(self) -> Iterator[Reference]:
        """All that the node refers to."""
        yield from references(self.foreach)
        yield from references([self.inputs, self.options, self.user, self.arguments, self.when])

    @property
    def list_alone(self) -> Reference | None:
        """What `foreach` refers to, where nothing else of the node refers to the same source."""
        whole, sources = whole_reference(self.foreach), [one.source for one in self.references()]
        return whole if whole and sources.count(whole.source) == 1 else None

    @property
    def is_list(self) -> bool:
        """It runs once for each of several items, so each of its outputs is a list."""
        return self.foreach is not None

    @cached_property
    def chooses_items(self) -> bool:
        """`when` is asked for each item."""
        return any(one.source in ("item", "index") for one in references(self.when))


class Graph(Part):
    """A whole workflow; a name in `outputs` stands for a value that the run gives back."""

    inputs: dict[Name, GraphInput] = Field(default_factory=dict)
    nodes: dict[Name, Node] = Field(min_length=1)
    outputs: dict[OutputName, Any] = Field(default_factory=dict)

    @property
    def seeds(self) -> list[str]:
        """The inputs that are seeds."""
        return [name for name, one in self.inputs.items() if one.is_seed]

    def needs(self, name: str) -> set[str]:
        """The nodes that one refers to."""
        return {one.source for one in self.nodes[name].references()} - set(RESERVED)

    def follows(self, name: str) -> Reference | None:
        """The list that a node takes item by item while it is made: of a node with foreach, or in a chat's JSON."""
        listed = self.nodes[name].list_alone
        if listed is None or listed.source not in self.nodes:
            return None
        grows = len(listed.path) == 1 if self.nodes[listed.source].is_list else listed.path[0] == "json"
        return listed if grows else None

    def with_defaults(self, values: Mapping[str, Any]) -> Self:
        """The same graph, whose inputs have these `values` where they are left out.

        Raises:
            InvalidRequest: there is no such input.
        """
        unknown = sorted(set(values) - set(self.inputs))
        if unknown:
            raise InvalidRequest(f"there is no input {unknown[0]!r}; there are {', '.join(self.inputs)}")
        changed = {name: self.inputs[name].model_copy(update={"default": value}) for name, value in values.items()}
        return self.model_copy(update={"inputs": {**self.inputs, **changed}})


def read_graph(payload: bytes | str, name: str, *, max_bytes: int = MAX_BYTES) -> Graph:
    """The workflow in `payload`, a JSON document that messages call `name`.

    Raises:
        InvalidRequest: not JSON, or not as a workflow is; the message names the node and the field.
    """
    read_json_object(payload, name, max_bytes=max_bytes)
    try:
        graph = Graph.model_validate_json(payload)
    except ValidationError as error:
        raise InvalidRequest(first_problem(error.errors(include_url=False), partial(_explain, name))) from None
    for reserved in RESERVED:
        if reserved in graph.nodes:
            raise InvalidRequest(f"{name}.nodes.{reserved}: a node cannot be called {', '.join(RESERVED)}")
    return graph


def _explain(name: str, problem: ErrorDetails) -> str:
    where = f"{name}.{place(problem)}".removesuffix(".[key]")
    if problem["type"] == "extra_forbidden":
        return f"{where} is unknown"
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}"
    return f"{where}: {problem['msg']}"
