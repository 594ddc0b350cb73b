"""config.pbtxt, the adapter's tensor table and the wire protocol's page say the same."""

from pathlib import Path

import pytest
from tritonclient.grpc.model_config_pb2 import TYPE_INT32, TYPE_STRING, DataType

from qwen_client.cancel_requests import MEMBERS
from qwen_engine.chains.workflow.chain import graphs_beside
from qwen_engine.chains.workflow.signatures import chain_wire
from qwen_engine.models import MODELS as ENGINE_MODELS
from qwen_engine.settings import ChainSettings
from qwen_engine.triton import settings_json
from qwen_media.formats import ALLOWED
from qwen_server import repository
from qwen_server.profiles import load_profile
from qwen_wire.options import WorkflowOptions
from qwen_wire.tensors import CHAINS, ENSEMBLES, MODELS, RELAYS

HOME = Path(__file__).resolve().parents[2]
REPOSITORY = HOME / "model_repository"
GRAPHS = graphs_beside(REPOSITORY / "workflow")
FOLDERS = {
    **{model.name: (REPOSITORY / model.name, model) for model in MODELS},
    **{chain.name: (REPOSITORY / chain.name, chain) for chain in (*CHAINS, *RELAYS)},
    **{name: (REPOSITORY / name, chain_wire(name, graph)) for name, graph in GRAPHS.items()},
}


def test_every_model_folder_has_a_table():
    folders = {path.name for path in REPOSITORY.iterdir() if path.is_dir() and path.name != "__pycache__"}
    chains = {one.name for one in (*ENSEMBLES, *CHAINS, *RELAYS)} | set(GRAPHS)
    assert folders == {model.name for model in MODELS} | chains
    assert set(repository.chains()) == chains


@pytest.mark.parametrize("name", sorted({*FOLDERS} - {one.name for one in ENSEMBLES}))
def test_without_settings_those_of_the_demo_profile_count(name):
    """As `qwen serve --profile demo` writes them."""
    profile = load_profile("demo")
    settings = profile.models.get(name) or profile.chain(name)
    kind = type(settings)
    staged = {model.name: model.config for model in repository.served_models(profile, "127.0.0.1:8001")}
    expected = kind.model_validate_json(staged[name].parameters["settings"].string_value)
    args = {"model_config": "{}", "model_repository": str(REPOSITORY / name)}
    found = kind.model_validate_json(settings_json(args))
    if isinstance(expected, ChainSettings):
        assert set(found.served) == set(expected.served)
        found = found.model_copy(update={"served": expected.served})
    assert found == expected


def test_without_settings_and_without_a_demo_profile_the_way_out_is_named(tmp_path):
    args = {"model_config": "{}", "model_repository": str(tmp_path / "models" / "qwen3_asr")}
    with pytest.raises(ValueError, match="`qwen serve`, or write a repository with `qwen stage`"):
        settings_json(args)


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
    assert [tensor.name for tensor in config.output] == [*model.outputs, *model.counts]
    assert [list(tensor.dims) for tensor in config.input] == [[-1 if one.several else 1] for one in model.inputs]
    assert {tensor.name for tensor in config.output if list(tensor.dims) == [-1]} == set(model.flat)
    assert all(list(tensor.dims) in ([1], [-1]) for tensor in config.output)
    types = [f"TYPE_{tensor.type.replace('BYTES', 'STRING')}" for tensor in model.inputs]
    assert [DataType.Name(tensor.data_type) for tensor in config.input] == types
    assert {tensor.name for tensor in config.output if tensor.data_type == TYPE_INT32} == set(model.counts)
    assert all(tensor.data_type in (TYPE_STRING, TYPE_INT32) for tensor in config.output)


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=lambda ensemble: ensemble.name)
def test_ensembles_agree_with_the_table(ensemble):
    config = repository.read_config(REPOSITORY / ensemble.name)
    assert [tensor.name for tensor in config.input] == [tensor.name for tensor in ensemble.inputs]
    assert [tensor.name for tensor in config.output] == list(ensemble.outputs)


@pytest.mark.parametrize(
    ("name", "shared"),
    [*((name, "graph_chain.py") for name in GRAPHS), *((name, "engine_model.py") for name in ENGINE_MODELS)],
)
def test_models_share_a_model_file_and_graphs_do(name, shared):
    assert (REPOSITORY / name / "1" / "model.py").resolve() == REPOSITORY / shared


@pytest.mark.parametrize("folder", repository.chains().values(), ids=lambda folder: folder.name)
def test_ensembles_map_tensors_that_their_members_have(folder):
    tables = {model.name: model for model in MODELS}
    config = repository.read_config(folder)
    assert config.name == folder.name
    for step in config.ensemble_scheduling.step:
        table = tables[step.model_name]
        required = {tensor.name for tensor in table.inputs if not tensor.optional}
        assert required <= set(step.input_map) <= {tensor.name for tensor in table.inputs}
        assert set(step.output_map) <= set(table.outputs)


def test_the_wire_protocol_page_names_every_tensor_and_option():
    page = (HOME / "docs" / "wire-protocol.md").read_text()
    tensors = {
        name
        for model in (*MODELS, *CHAINS)
        for name in [*(t.name for t in model.inputs), *model.outputs, *model.counts]
    }
    schemas = (*(model.options for model in MODELS), WorkflowOptions)
    options = {field.alias or name for schema in schemas for name, field in schema.model_fields.items()}
    missing = {name for name in tensors | options if f"`{name}`" not in page}
    assert missing == set()


def test_ensembles_are_cancelled_at_all_their_members():
    by_name = {model.name: model for model in MODELS}
    expected = {
        ensemble.name: {
            member: tuple(one.name for one in by_name[member].inputs if not one.optional and one.name != "OPTIONS")
            for member in repository.members(repository.chains()[ensemble.name])
        }
        for ensemble in ENSEMBLES
    }
    assert expected == MEMBERS


def test_the_wire_protocol_page_names_every_format_of_sound():
    page = " ".join((HOME / "docs" / "wire-protocol.md").read_text().split())
    assert f"a file of one of these formats, {ALLOWED} (see Sound files)" in page
