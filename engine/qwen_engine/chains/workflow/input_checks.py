"""Mistakes in the inputs of a run, found before any of its stages has run."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from qwen_engine.chains.workflow import functions
from qwen_engine.chains.workflow.graph import Graph, Node
from qwen_engine.chains.workflow.memory import Meter, value_bytes
from qwen_engine.chains.workflow.references import json_of, references, resolved, whole_reference
from qwen_engine.settings import ChainSettings
from qwen_wire.errors import InvalidRequest, ServerError
from qwen_wire.json_text import cut, shown
from qwen_wire.languages import resolve_language
from qwen_wire.options import Options
from qwen_wire.tensors import SCHEMAS

LANGUAGE = "language"
Place = Callable[[str], str]


def check_inputs(graph: Graph, values: Mapping[str, Any], settings: ChainSettings) -> None:
    """Raise `InvalidRequest` for options of models and arguments of functions that cannot be right.

    `values`: of the graph's inputs. What is made on the way is checked by the stages, as are the models' own limits.
    """
    given = _InputChecker(values, settings)
    for name, node in graph.nodes.items():
        if node.model is not None and (schema := SCHEMAS.get(node.model)) is not None:
            given.check_options(f"nodes.{name}.options", node, schema)
        elif node.function is not None:
            given.check_arguments(f"nodes.{name}.arguments", node, node.function)


@dataclass(frozen=True)
class _InputChecker:
    values: Mapping[str, Any]
    settings: ChainSettings

    def check_options(self, where: str, node: Node, schema: type[Options]) -> None:
        names = [info.alias or field for field, info in schema.model_fields.items()]
        for option in node.options:
            if option not in names:
                raise InvalidRequest(f"{where}.{cut(option)} is unknown; {node.model} takes {', '.join(names)}")
        known, place = self._known(node.options), partial(_place, where, node.options)
        try:
            schema.model_validate_json(json_of(known, where))
        except ValidationError as error:
            _refuse(error, place, is_whole=len(known) == len(node.options))
        if isinstance(language := known.get(LANGUAGE), str):
            resolve_language(language, place(LANGUAGE), hears_dialects=True)

    def check_arguments(self, where: str, node: Node, function: str) -> None:
        known = self._known(node.arguments)
        try:
            functions.schema(function).model_validate(known)
        except ValidationError as error:
            _refuse(error, partial(_place, where, node.arguments), is_whole=False)
        is_certain = node.when is True and not node.is_list and len(known) == len(node.arguments)
        if is_certain and functions.is_quick(function, value_bytes(known, functions.QUICK_BYTES)):
            with contextlib.suppress(ServerError):  # the stage tells of it, which may not be needed
                functions.call(function, known, self.settings.max_value_bytes)

    def _known(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those that the graph and its inputs alone say."""
        most, scope = self.settings.max_value_bytes, {"inputs": self.values}

        def meter() -> Meter:
            return Meter(most, lambda value: value_bytes(value, most), lambda _: None, {})

        return {
            name: resolved(value, scope, meter())
            for name, value in given.items()
            if all(one.source == "inputs" for one in references(value))
        }


def _place(where: str, given: Mapping[str, Any], name: str) -> str:
    """Where the value comes from, as whoever sent the request knows it."""
    whole = whole_reference(given.get(name))
    return f"{where}.{cut(name)}" if whole is None else "OPTIONS." + str(whole).removeprefix("$")


def _refuse(error: ValidationError, place: Place, *, is_whole: bool) -> None:
    """Raise the first of the problems that what is not known yet cannot be the cause of."""
    for problem in error.errors(include_url=False):
        if problem["type"] == "missing" and len(problem["loc"]) == 1:
            continue
        if problem["loc"]:
            raise InvalidRequest(_explain(problem, place))
        if is_whole:
            raise InvalidRequest(str(problem["ctx"]["error"]))


def _explain(problem: ErrorDetails, place: Place) -> str:
    name, *within = problem["loc"]
    where = ".".join([place(str(name)), *(cut(str(part)) for part in within if part != "[key]")])
    if problem["type"] == "value_error":
        return f"{where} {problem['ctx']['error']}"
    return f"{where} is {shown(problem['input'])}: {problem['msg']}"
