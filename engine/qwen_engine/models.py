"""The models, one line each: what Triton serves under its name. Free of torch: the server reads this table, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name

from qwen_engine import settings
from qwen_engine.model_spec import ModelSpec
from qwen_engine.settings import ModelSettings
from qwen_wire import tensors
from qwen_wire.tensors import ModelWire


@dataclass(frozen=True)
class RegisteredModel:
    """A model's tensors, the settings in its section of a profile, and the `module:Class` of its `ModelSpec`."""

    wire: ModelWire
    settings_type: type[ModelSettings]
    spec: str

    def load(self) -> type[ModelSpec]:
        """Imports the model's code, most of which needs torch."""
        spec: type[ModelSpec] = resolve_name(self.spec)
        return spec

    def open(self, settings_json: str) -> ModelSpec:
        """The model with these settings, its engine opened."""
        return self.load()(self.settings_type.model_validate_json(settings_json))


_MODELS = (
    RegisteredModel(tensors.ASR, settings.AsrSettings, "qwen_engine.asr.model:AsrModel"),
    RegisteredModel(tensors.CAPTIONS, settings.CaptionSettings, "qwen_engine.asr.captions.model:CaptionModel"),
    RegisteredModel(tensors.ALIGNER, settings.AlignerSettings, "qwen_engine.aligner.model:AlignerModel"),
    RegisteredModel(tensors.TTS, settings.TtsSettings, "qwen_engine.tts.model:TtsModel"),
    RegisteredModel(tensors.CHAT, settings.ChatSettings, "qwen_engine.chat.model:ChatModel"),
    RegisteredModel(tensors.IMAGE, settings.ImageSettings, "qwen_engine.image.model:ImageModel"),
    RegisteredModel(tensors.VISION, settings.VisionSettings, "qwen_engine.vision.model:VisionModel"),
    RegisteredModel(tensors.CHART, settings.ChartSettings, "qwen_engine.charts.model:ChartModel"),
)
MODELS: Mapping[str, RegisteredModel] = {model.wire.name: model for model in _MODELS}
