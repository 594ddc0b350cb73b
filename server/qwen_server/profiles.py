"""Profiles: which checkpoint each model serves, on which device, within which limits.

profile = load_profile("demo")          # profiles/demo.toml, or a path to a file
profile.qwen3_asr.checkpoint
"""

from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from qwen_engine.settings import (
    AlignerSettings,
    AsrSettings,
    CaptionSettings,
    ChainSettings,
    ChartSettings,
    ChatSettings,
    ImageSettings,
    ModelSettings,
    TenantSettings,
    TtsSettings,
    VisionSettings,
    VoiceChatSettings,
)
from qwen_server.errors import ServerError
from qwen_server.home import project_home


class Profile(BaseSettings):
    """One section a model, and one for its tenants; a model without a section is not served.

    An environment variable overrides one value: QWEN_PROFILE__QWEN3_ASR__DEVICE=cuda:1
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="QWEN_PROFILE__", env_nested_delimiter="__"
    )

    tenants: TenantSettings = TenantSettings()

    qwen3_asr: AsrSettings | None = None
    qwen3_asr_stream: CaptionSettings | None = None
    qwen3_aligner: AlignerSettings | None = None
    qwen3_tts: TtsSettings | None = None
    qwen3_chat: ChatSettings | None = None
    qwen_image: ImageSettings | None = None
    qwen3_vl: VisionSettings | None = None
    chart_image: ChartSettings | None = None

    chains: ChainSettings | None = None
    voice_chat: VoiceChatSettings | None = None
    qwen3_chat_uint32: ChainSettings | None = None

    def models(self) -> dict[str, ModelSettings]:
        """Settings by model name, served models only; chains apart."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        models = {name: one for name, one in sections.items() if isinstance(one, ModelSettings)}
        return {name: one for name, one in models.items() if not isinstance(one, ChainSettings)}

    def chain(self, name: str) -> ChainSettings | None:
        """The settings of a chain: those of its own section, where it may have one; None: it is not served."""
        return getattr(self, name, self.chains)


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
    """Read and check a profile.

    Raises:
        ServerError: no such profile, not TOML, or a bad key or value; the message names each.
    """
    path = profile_path(name)

    class FileProfile(Profile):
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

    try:
        profile = FileProfile()
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])} = {str(problem['input'])[:80]!r}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ServerError(f"profile {path.name}: {problems}") from error
    except ValueError as error:  # tomllib.TOMLDecodeError
        raise ServerError(f"profile {path.name} is not TOML: {error}") from error
    if not profile.models():
        raise ServerError(f"profile {path.name} serves no model; give it a section such as [qwen3_asr]")
    return profile
