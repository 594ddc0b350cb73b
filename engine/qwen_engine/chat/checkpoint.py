"""A Qwen3 text checkpoint folder, loaded: language model, tokenizer, chat template, grammars."""

from pathlib import Path

import torch

from qwen_engine.chat.config import ChatConfig
from qwen_engine.chat.grammar import Grammars
from qwen_engine.chat.grammar_state import GrammarStates
from qwen_engine.chat.settings import ChatSettings
from qwen_engine.chat.tokens import ChatTokens
from qwen_engine.language_model import LanguageModel
from qwen_engine.weights import Weights


class ChatCheckpoint:
    """One checkpoint on its device, with `settings.max_batch` rows."""

    def __init__(self, settings: ChatSettings) -> None:
        folder = Path(settings.checkpoint)
        self.config = ChatConfig.load(folder)
        self.weights = Weights(folder, dtype=getattr(torch, settings.dtype), device=settings.device)
        self.max_positions = min(settings.max_positions, self.config.max_positions)
        with torch.inference_mode():
            self.language_model = LanguageModel(
                self.config.decoder,
                self.weights,
                below="model.",
                num_slots=settings.max_batch,
                length=self.max_positions,
            )
        self.tokens = ChatTokens(folder)
        eos_ids = sorted(self.config.eos_ids)
        self.grammars = Grammars(GrammarStates(self.tokens.description(), self.language_model.num_tokens, eos_ids))
