"""The repository Triton is started with: our model folders, their config.pbtxt completed from the profile."""

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


def members(ensemble: Path) -> set[str]:
    """The models an ensemble is made of."""
    return {step.model_name for step in read_config(ensemble).ensemble_scheduling.step}


def stage(profile: Profile, work_folder: Path) -> tuple[list[Path], list[str]]:
    """Write the repositories below `work_folder`.

    Returns the two repository folders (models, ensembles) and the names to load: the profile's models and every
    ensemble whose members are all served.
    """
    models, chains = work_folder / "models", work_folder / "ensembles"
    for repository in (models, chains):
        shutil.rmtree(repository, ignore_errors=True)
        repository.mkdir(parents=True)
    served = profile.models()
    for name, settings in served.items():
        source = project_home() / "model_repository" / name
        _write(source, models / name, _completed(read_config(source), settings))
    whole = {name: folder for name, folder in ensembles().items() if set() < members(folder) <= set(served)}
    for name, folder in whole.items():
        _write(folder, chains / name, read_config(folder))
    return [models, chains], [*served, *whole]


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
