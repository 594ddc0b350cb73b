"""A Qwen3-ASR checkpoint folder, loaded: audio encoder, language model and tokenizer."""

from pathlib import Path

import torch

from qwen_engine.asr.config import AsrConfig
from qwen_engine.asr.encoder import AudioEncoder
from qwen_engine.asr.features import LogMel
from qwen_engine.asr.prompt import AsrPrompts
from qwen_engine.asr.settings import RecogniserSettings
from qwen_engine.language_model import LanguageModel
from qwen_engine.weights import Weights


class AsrCheckpoint:
    """One checkpoint on its device, with `settings.max_batch` rows."""

    def __init__(self, settings: RecogniserSettings) -> None:
        folder = Path(settings.checkpoint)
        self.config = AsrConfig.load(folder)
        self.weights = Weights(folder, dtype=getattr(torch, settings.dtype), device=settings.device)
        with torch.inference_mode():
            self.log_mel = LogMel(self.config.features, settings.device)
            self.encoder = AudioEncoder(self.config.encoder, self.weights.below("model."))
            self.language_model = LanguageModel(
                self.config.decoder,
                self.weights,
                below="model.language_model.",
                num_slots=settings.max_batch,
                length=settings.max_positions,
            )
        self.prompts = AsrPrompts(folder)

    @property
    def window_s(self) -> float:
        """The audio in one encoder window."""
        features = self.config.features
        return self.config.encoder.window_frames * features.hop / features.sample_rate_hz
