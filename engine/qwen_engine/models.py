"""The models, one line each: what Triton serves under its name. Free of torch: the server reads this table, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name

from qwen_engine.aligner.settings import AlignerSettings
from qwen_engine.asr.captions.settings import CaptionSettings
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.charts.settings import ChartSettings
from qwen_engine.chat.settings import ChatSettings
from qwen_engine.image.settings import ImageSettings
from qwen_engine.model_spec import ModelSpec
from qwen_engine.settings import ModelSettings
from qwen_engine.tts.settings import TtsSettings
from qwen_engine.vision.settings import VisionSettings
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
    RegisteredModel(tensors.ASR, AsrSettings, "qwen_engine.asr.model:AsrModel"),
    RegisteredModel(tensors.CAPTIONS, CaptionSettings, "qwen_engine.asr.captions.model:CaptionModel"),
    RegisteredModel(tensors.ALIGNER, AlignerSettings, "qwen_engine.aligner.model:AlignerModel"),
    RegisteredModel(tensors.TTS, TtsSettings, "qwen_engine.tts.model:TtsModel"),
    RegisteredModel(tensors.CHAT, ChatSettings, "qwen_engine.chat.model:ChatModel"),
    RegisteredModel(tensors.IMAGE, ImageSettings, "qwen_engine.image.model:ImageModel"),
    RegisteredModel(tensors.VISION, VisionSettings, "qwen_engine.vision.model:VisionModel"),
    RegisteredModel(tensors.CHART, ChartSettings, "qwen_engine.charts.model:ChartModel"),
)
MODELS: Mapping[str, RegisteredModel] = {model.wire.name: model for model in _MODELS}
