"""Every option, tensor, function and chart is in the table of costly requests, or is known to cost nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwen_engine.chains.workflow.functions import FUNCTIONS
from qwen_engine.chains.workflow.graph import read_graph
from qwen_engine.chains.workflow.signatures import tensors
from qwen_wire.charts import CHARTS
from qwen_wire.options import Options, VoiceChatOptions, WorkflowOptions
from qwen_wire.tensors import CHAINS, ENSEMBLES, MODELS, RELAYS, SCHEMAS
from tests.costly_parts import Costly
from tests.costly_requests import COSTLY, FREE, NORMAL

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
ALL_SCHEMAS = {**SCHEMAS, "voice_chat": VoiceChatOptions, "workflow": WorkflowOptions}
FREE_NAMES = {name for names in FREE.values() for name in names}
GRAPHS = {
    file.parents[1].name: read_graph(file.read_bytes(), file.parents[1].name)
    for file in sorted(REPOSITORY.glob("*/1/graph.json"))
}
TENSORS = {
    **{wire.name: wire.inputs for wire in (*MODELS, *CHAINS, *ENSEMBLES, *RELAYS)},
    **{name: tensors(graph) for name, graph in GRAPHS.items()},
}
# Tensors that say what OPTIONS say, or have to be empty.
SAY_THE_SAME = {
    *("OPTIONS", "ASR_OPTIONS", "ALIGN_OPTIONS", "IMAGE_OPTIONS", "stop_words", "bad_words", "embedding_bias_words"),
    *("guided_decoding_guide", "guided_decoding_guide_type"),
}
# What the demo profile allows is less than what the schema does.
LESS = {
    ("qwen_image", "width"), ("qwen_image", "height"), ("qwen_image", "negative_prompt"),
    ("qwen3_chat", "messages"), ("chart_image", "height"),
}  # fmt: skip


def _options() -> list[tuple[str, str]]:
    return [
        (model, info.alias or name)
        for model, schema in ALL_SCHEMAS.items()
        for name, info in schema.model_fields.items()
    ]


def _limits(model: str) -> set[str]:
    return {name for costly in COSTLY if costly.model == model for name in costly.limits}


def _is_free(model: str, name: str) -> bool:
    return name in FREE_NAMES or f"{model}.{name}" in FREE_NAMES


@pytest.mark.parametrize(("model", "name"), _options())
def test_every_option_is_in_the_table_or_free(model, name):
    shared = name in Options.model_fields and any(name in costly.limits for costly in COSTLY)
    assert name in _limits(model) or shared or _is_free(model, name), "say what it may cost, in tests/costly_*.py"


def test_what_is_free_is_an_option():
    known = {name for _, name in _options()} | {f"{model}.{name}" for model, name in _options()}
    assert known >= FREE_NAMES


@pytest.mark.parametrize("model", sorted(TENSORS))
def test_every_tensor_of_bytes_is_in_the_table(model):
    """Those of numbers stand for options."""
    payloads = {tensor.name for tensor in TENSORS[model] if tensor.type == "BYTES"} - SAY_THE_SAME
    assert _limits(model) >= payloads


def test_every_function_and_chart_is_in_the_table():
    assert _limits("workflow") >= set(FUNCTIONS)
    assert _limits("chart_image") >= set(CHARTS)


def test_every_model_is_in_the_table():
    folders = {file.parent.name for file in REPOSITORY.rglob("config.pbtxt")}
    assert {costly.model for costly in COSTLY} == folders == set(NORMAL)


def _bounded() -> list[Any]:
    return list(_each_bounded())


def _each_bounded() -> Iterator[Any]:
    for costly in COSTLY:
        schema = ALL_SCHEMAS.get(costly.model)
        fields = schema.model_json_schema(by_alias=True)["properties"] if schema else {}
        for name in sorted({*costly.limits} & {*fields}):
            yield pytest.param(costly, name, fields[name], id=f"{costly}: {name}")


@pytest.mark.parametrize(("costly", "name", "field"), _bounded())
def test_what_a_request_is_said_to_ask_for_is_in_it_at_its_limit(costly: Costly, name, field):
    options = json.loads(json.dumps(costly.options()))
    assert name in options
    if (costly.model, name) in LESS:
        return
    for form in (field, *field.get("anyOf", ())):
        if "maximum" in form:
            assert options[name] == form["maximum"]
        if "maxLength" in form:
            assert len(options[name]) == form["maxLength"]
        if "maxItems" in form:
            assert len(options[name]) == form["maxItems"]


@pytest.mark.parametrize("costly", [costly for costly in COSTLY if costly.model in ALL_SCHEMAS], ids=str)
def test_the_schema_allows_it(costly: Costly):
    ALL_SCHEMAS[costly.model].model_validate_json(json.dumps(costly.options()))
