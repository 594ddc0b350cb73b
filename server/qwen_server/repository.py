"""The repository Triton is started with: our model folders, their config.pbtxt completed from the profile."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from qwen_engine.settings import CaptionSettings, ModelSettings
from qwen_server import checkpoints
from qwen_server.home import project_home
from qwen_server.profiles import Profile


def read_config(model_folder: Path) -> ModelConfig:
    return text_format.Parse((model_folder / "config.pbtxt").read_text(), ModelConfig())


def ensembles() -> dict[str, Path]:
    """Folders of all ensembles by name."""
    return {folder.name: folder for folder in sorted((project_home() / "model_repository" / "ensembles").iterdir())}


def members(folder: Path) -> set[str]:
    """The models and chains that one is made of: an ensemble's steps, a graph's nodes, or what its config names."""
    config = read_config(folder)
    named = config.parameters["members"].string_value.split() if "members" in config.parameters else []
    return {
        *(step.model_name for step in config.ensemble_scheduling.step),
        *_called(folder / "1" / "graph.json"),
        *named,
    }


def _called(graph: Path) -> set[str]:
    nodes = json.loads(graph.read_text())["nodes"].values() if graph.is_file() else ()
    return {node["model"] for node in nodes if "model" in node}


def stage(profile: Profile, work_folder: Path, grpc_address: str) -> tuple[list[Path], list[str]]:
    """Write the repositories below `work_folder`; chains will call models at `grpc_address`.

    Returns the two repository folders (models, ensembles) and the names to load: the profile's models and every
    ensemble and chain whose members are all served.
    """
    models, chains = work_folder / "models", work_folder / "ensembles"
    for repository in (models, chains):
        shutil.rmtree(repository, ignore_errors=True)
        repository.mkdir(parents=True)
    served = profile.models()
    whole = _whole(profile, set(served))
    names = [*served, *whole]
    for name, settings in served.items():
        source = project_home() / "model_repository" / name
        _write(source, models / name, _completed(read_config(source), settings))
    for name, folder in whole.items():
        config, chain = read_config(folder), profile.chain(name)
        if not config.HasField("ensemble_scheduling") and chain is not None:
            settings = chain.model_copy(update={"grpc_address": grpc_address, "served": tuple(names)})
            config = _completed(config, settings)
        _write(folder, chains / name, config)
    return [models, chains], names


def _whole(profile: Profile, served: set[str]) -> dict[str, Path]:
    """The ensembles and chains that can be served beside the models `served`, in an order in which they can load."""
    found: dict[str, Path] = {}
    candidates = {
        name: folder
        for name, folder in ensembles().items()
        if profile.chain(name) is not None or read_config(folder).HasField("ensemble_scheduling")
    }
    while ready := {
        name: folder
        for name, folder in candidates.items()
        if name not in found and members(folder) <= {*served, *found}
    }:
        found |= ready
    return found


def _completed(config: ModelConfig, settings: ModelSettings) -> ModelConfig:
    """Add what the profile says."""
    resolved = settings.model_copy(update=checkpoints.resolve_all(settings))
    config.parameters["settings"].string_value = resolved.model_dump_json()
    config.instance_group[0].count = settings.instances
    if isinstance(settings, CaptionSettings):
        config.sequence_batching.max_sequence_idle_microseconds = int(settings.idle_timeout_s * 1_000_000)
    return config


def _write(source: Path, target: Path, config: ModelConfig) -> None:
    target.mkdir()
    for version in _versions(source):
        (target / version.name).symlink_to(version, target_is_directory=True)
    (target / "config.pbtxt").write_text(text_format.MessageToString(config))


def _versions(source: Path) -> Iterable[Path]:
    return (folder for folder in source.iterdir() if folder.name.isdigit())
