"""Profiles: which checkpoint each model serves, on which device, within which limits.

profile = load_profile("demo")          # profiles/demo.toml, or a path to a file
profile.models["qwen3_asr"].checkpoints()
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from qwen_engine.models import MODELS
from qwen_engine.settings import ChainSettings, ModelSettings, TenantSettings, VoiceChatSettings
from qwen_gateway.settings import GatewaySettings
from qwen_server.errors import ServerError
from qwen_server.home import project_home

ALL_CHAINS = "chains"
CHAIN_SECTIONS: Mapping[str, type[ChainSettings]] = {
    ALL_CHAINS: ChainSettings,
    "voice_chat": VoiceChatSettings,
    "qwen3_chat_uint32": ChainSettings,
}


@dataclass(frozen=True)
class Profile:
    """What is served: models by name, and chains by their sections."""

    models: Mapping[str, ModelSettings]
    chains: Mapping[str, ChainSettings] = field(default_factory=dict)
    tenants: TenantSettings = field(default_factory=TenantSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)

    def chain(self, name: str) -> ChainSettings | None:
        """The settings of a chain: those of its own section, where it may have one; None: it is not served."""
        return self.chains.get(name if name in CHAIN_SECTIONS else ALL_CHAINS)


def sections() -> dict[str, type[BaseModel]]:
    """What a profile may have sections for: its tenants, the gateway, each model, and chains."""
    models = {name: model.settings_type for name, model in MODELS.items()}
    return {"tenants": TenantSettings, "gateway": GatewaySettings, **models, **CHAIN_SECTIONS}


def profile_path(name: str) -> Path:
    """The file of a profile given by name or path."""
    path = Path(name)
    if path.suffix != ".toml":
        path = project_home() / "profiles" / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in (project_home() / "profiles").glob("*.toml")))
        raise ServerError(f"no profile {name!r} ({path}); known: {known}")
    return path


def load_profile(name: str) -> Profile:
    """Read and check a profile. A model without a section is not served.

    An environment variable overrides one value: QWEN_PROFILE__QWEN3_ASR__DEVICE=cuda:1

    Raises:
        ServerError: no such profile, not TOML, or a bad key or value; the message names each.
    """
    path = profile_path(name)
    try:
        found = _sections_of(path)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])} = {str(problem['input'])[:80]!r}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ServerError(f"profile {path.name}: {problems}") from error
    except ValueError as error:  # tomllib.TOMLDecodeError
        raise ServerError(f"profile {path.name} is not TOML: {error}") from error
    models = {name: found[name] for name in MODELS if name in found}
    if not models:
        raise ServerError(f"profile {path.name} serves no model; give it a section such as [qwen3_asr]")
    chains = {name: found[name] for name in CHAIN_SECTIONS if name in found}
    return Profile(models, chains, found.get("tenants", TenantSettings()), found.get("gateway", GatewaySettings()))


def _sections_of(path: Path) -> dict[str, Any]:
    """The sections that a file and the environment have."""

    class Sections(BaseSettings):
        model_config = SettingsConfigDict(
            extra="forbid", frozen=True, env_prefix="QWEN_PROFILE__", env_nested_delimiter="__"
        )

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return env_settings, TomlConfigSettingsSource(settings_cls, path)

    kinds: dict[str, Any] = {name: (kind | None, None) for name, kind in sections().items()}
    found = create_model("SectionsOfModels", __base__=Sections, **kinds)()
    return {name: section for name, section in found if section is not None}
