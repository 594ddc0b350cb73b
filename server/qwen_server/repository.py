"""The committed model folders, and what of them a profile serves: their config.pbtxt completed from it."""

import json
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from qwen_engine.models import MODELS
from qwen_engine.settings import ModelSettings
from qwen_server import checkpoints
from qwen_server.home import project_home
from qwen_server.profiles import Profile


@dataclass(frozen=True)
class ServedModel:
    """A model or chain that is served: its committed folder, the whole config, and other files by name."""

    name: str
    source: Path
    config: ModelConfig
    files: dict[str, str]

    @property
    def versions(self) -> list[Path]:
        return [folder for folder in self.source.iterdir() if folder.name.isdigit()]

    def write_files(self, target: Path) -> None:
        """The config and the other files, into the folder `target`."""
        for name, text in {"config.pbtxt": text_format.MessageToString(self.config), **self.files}.items():
            (target / name).write_text(text)


def read_config(model_folder: Path) -> ModelConfig:
    return text_format.Parse((model_folder / "config.pbtxt").read_text(), ModelConfig())


def folder_of(name: str) -> Path:
    """The committed folder of a model or chain."""
    return project_home() / "model_repository" / name


def chains() -> dict[str, Path]:
    """Folders of all chains by name, ensembles among them: what is made of other models."""
    folders = sorted(file.parent for file in folder_of("").glob("*/config.pbtxt"))
    return {folder.name: folder for folder in folders if folder.name not in MODELS}


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


def served_models(profile: Profile, grpc_address: str) -> list[ServedModel]:
    """The profile's models and every ensemble and chain whose members are all served, in an order in which they can
    load. Chains will call models at `grpc_address`.

    Raises:
        ServerError: a checkpoint or another file is missing.
    """
    whole = _whole(profile)
    names = (*profile.models, *whole)
    return [
        *(_model(name, settings, profile) for name, settings in profile.models.items()),
        *(_chain(folder, profile, grpc_address, names) for folder in whole.values()),
    ]


def _whole(profile: Profile) -> dict[str, Path]:
    """The ensembles and chains that can be served beside the profile's models, in an order in which they can load."""
    found: dict[str, Path] = {}
    candidates = {
        name: folder
        for name, folder in chains().items()
        if profile.chain(name) is not None or read_config(folder).HasField("ensemble_scheduling")
    }
    while ready := {
        name: folder
        for name, folder in candidates.items()
        if name not in found and members(folder) <= {*profile.models, *found}
    }:
        found |= ready
    return found


def _model(name: str, settings: ModelSettings, profile: Profile) -> ServedModel:
    source = folder_of(name)
    resolved = settings.model_copy(update={**checkpoints.resolve_all(settings), "tenants": profile.tenants})
    return ServedModel(name, source, _completed(read_config(source), resolved), resolved.served_files())


def _chain(folder: Path, profile: Profile, grpc_address: str, names: tuple[str, ...]) -> ServedModel:
    config, chain = read_config(folder), profile.chain(folder.name)
    if not config.HasField("ensemble_scheduling") and chain is not None:
        update = {"grpc_address": grpc_address, "served": names, "tenants": profile.tenants}
        config = _completed(config, chain.model_copy(update=update))
    return ServedModel(folder.name, folder, config, {})


def _completed(config: ModelConfig, settings: ModelSettings) -> ModelConfig:
    """Add what the profile says; what it does not say stays the code's, such as folders of the user who serves."""
    config.parameters["settings"].string_value = settings.model_dump_json(exclude_unset=True)
    config.instance_group[0].count = settings.instances
    if settings.sequence_timeout_s is not None:
        config.sequence_batching.max_sequence_idle_microseconds = int(settings.sequence_timeout_s * 1_000_000)
    return config
