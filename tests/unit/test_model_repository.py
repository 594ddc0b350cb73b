"""config.pbtxt, the adapter's tensor table and the wire protocol's page say the same."""

from pathlib import Path

import pytest
from tritonclient.grpc.model_config_pb2 import TYPE_STRING, DataType

from qwen_engine import wire
from qwen_engine.chains.signatures import chain_wire
from qwen_engine.chains.workflow import WorkflowOptions, graphs_beside
from qwen_server import repository

HOME = Path(__file__).resolve().parents[2]
REPOSITORY = HOME / "model_repository"
ENSEMBLES = REPOSITORY / "ensembles"
GRAPHS = graphs_beside(ENSEMBLES / "workflow")
FOLDERS = {
    **{model.name: (REPOSITORY / model.name, model) for model in wire.MODELS},
    **{chain.name: (ENSEMBLES / chain.name, chain) for chain in wire.CHAINS},
    **{name: (ENSEMBLES / name, chain_wire(name, graph)) for name, graph in GRAPHS.items()},
}


def test_every_model_folder_has_a_table():
    folders = {path.name for path in REPOSITORY.iterdir() if path.is_dir() and path.name != "ensembles"}
    assert folders == {model.name for model in wire.MODELS}
    assert set(repository.ensembles()) == {one.name for one in (*wire.ENSEMBLES, *wire.CHAINS)} | set(GRAPHS)


@pytest.mark.parametrize("name", FOLDERS)
def test_config_agrees_with_the_table(name):
    folder, model = FOLDERS[name]
    config = repository.read_config(folder)
    assert config.name == model.name
    assert config.backend == "python"
    assert config.WhichOneof("scheduling_choice") == ("sequence_batching" if model.sequences else "dynamic_batching")
    assert config.max_batch_size > 1
    assert config.model_transaction_policy.decoupled == model.decoupled
    assert [(tensor.name, tensor.optional) for tensor in config.input] == [
        (tensor.name, tensor.optional) for tensor in model.inputs
    ]
    assert [tensor.name for tensor in config.output] == list(model.outputs)
    assert [list(tensor.dims) for tensor in config.input] == [[-1 if one.several else 1] for one in model.inputs]
    assert all(list(tensor.dims) == [1] for tensor in config.output)
    types = [f"TYPE_{tensor.type.replace('BYTES', 'STRING')}" for tensor in model.inputs]
    assert [DataType.Name(tensor.data_type) for tensor in config.input] == types
    assert all(tensor.data_type == TYPE_STRING for tensor in config.output)


@pytest.mark.parametrize("ensemble", wire.ENSEMBLES, ids=lambda ensemble: ensemble.name)
def test_ensembles_agree_with_the_table(ensemble):
    config = repository.read_config(ENSEMBLES / ensemble.name)
    assert [tensor.name for tensor in config.input] == [tensor.name for tensor in ensemble.inputs]
    assert [tensor.name for tensor in config.output] == list(ensemble.outputs)


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_share_one_model_file(name):
    assert (ENSEMBLES / name / "1" / "model.py").resolve() == REPOSITORY / "graph_chain.py"


@pytest.mark.parametrize("folder", repository.ensembles().values(), ids=lambda folder: folder.name)
def test_ensembles_map_tensors_that_their_members_have(folder):
    tables = {model.name: model for model in wire.MODELS}
    config = repository.read_config(folder)
    assert config.name == folder.name
    for step in config.ensemble_scheduling.step:
        table = tables[step.model_name]
        required = {tensor.name for tensor in table.inputs if not tensor.optional}
        assert required <= set(step.input_map) <= {tensor.name for tensor in table.inputs}
        assert set(step.output_map) <= set(table.outputs)


def test_the_wire_protocol_page_names_every_tensor_and_option():
    from qwen_engine.options import (
        AlignerOptions,
        AsrOptions,
        CaptionOptions,
        ChartOptions,
        ChatOptions,
        ImageOptions,
        TtsOptions,
        VisionOptions,
    )

    page = (HOME / "docs" / "wire-protocol.md").read_text()
    tensors = {
        name for model in (*wire.MODELS, *wire.CHAINS) for name in [*(t.name for t in model.inputs), *model.outputs]
    }
    schemas = (
        AsrOptions,
        AlignerOptions,
        CaptionOptions,
        TtsOptions,
        ImageOptions,
        VisionOptions,
        ChartOptions,
        ChatOptions,
        WorkflowOptions,
    )
    options = {field.alias or name for schema in schemas for name, field in schema.model_fields.items()}
    missing = {name for name in tensors | options if f"`{name}`" not in page}
    assert missing == set()
