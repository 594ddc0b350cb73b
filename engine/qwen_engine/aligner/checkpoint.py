"""An aligner's checkpoint folder, loaded: a recogniser's layers with a classifier of times as the head."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch.nn.functional import embedding, linear
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen3ASRConfig

from qwen_engine.aligner.prompt import AlignerPrompts
from qwen_engine.asr.config import EncoderConfig, FeatureConfig
from qwen_engine.asr.encoder import AudioEncoder, num_tokens
from qwen_engine.asr.features import LogMel
from qwen_engine.decoder import Decoder, DecoderConfig
from qwen_engine.graphs import to_device
from qwen_engine.weights import Weights
from qwen_wire.errors import InvalidRequest

DEFAULT_CLASS_MS = 80  # transformers, models/qwen3_asr/processing_qwen3_asr.py
Clip: TypeAlias = tuple[np.ndarray, Sequence[int]]


@dataclass(frozen=True)
class AlignerConfig:
    """config.json and processor_config.json; a class of the head is `class_ms` of time."""

    features: FeatureConfig
    encoder: EncoderConfig
    decoder: DecoderConfig
    class_ms: int

    @classmethod
    def load(cls, folder: Path) -> "AlignerConfig":
        config = Qwen3ASRConfig.from_pretrained(folder)
        processor = json.loads((folder / "processor_config.json").read_bytes())
        return cls(
            features=FeatureConfig.load(folder),
            encoder=EncoderConfig.from_transformers(config.audio_config),
            decoder=DecoderConfig.from_json(config.text_config.to_dict()),
            class_ms=int(processor.get("timestamp_segment_time", DEFAULT_CLASS_MS)),
        )


class AlignerCheckpoint:
    """One checkpoint on its device, for prompts of up to `max_positions`.

    Example:
        checkpoint.classes([(samples, checkpoint.prompts.after(["good", "morning"]))])  # [[2, 6, 6, 13]]
    """

    def __init__(self, folder: Path, *, dtype: torch.dtype, device: str, max_positions: int) -> None:
        self.config = AlignerConfig.load(folder)
        self.prompts = AlignerPrompts(folder)
        self.max_positions = max_positions
        self.weights = Weights(folder, dtype=dtype, device=device)
        language_model = self.weights.below("model.language_model.")
        with torch.inference_mode():
            self._log_mel = LogMel(self.config.features, device)
            self._encoder = AudioEncoder(self.config.encoder, self.weights.below("model."))
            self._embeddings = language_model.take("embed_tokens.weight")
            self._decoder = Decoder(self.config.decoder, language_model, num_slots=0, length=max_positions)
            self._score = self.weights.take("score.weight")
            self._bias = self.weights.take("score.bias") if "score.bias" in self.weights else None

    @property
    def longest_s(self) -> float:
        """The latest time with a class."""
        return len(self._score) * self.config.class_ms / 1000

    def num_positions(self, num_samples: int, after: Sequence[int]) -> int:
        """The length of the prompt of a clip of `num_samples`, with the token ids `after` the audio."""
        features = self.config.features
        num_frames = max(num_samples, features.min_samples) // features.hop
        return len(self.prompts.before) + num_tokens(num_frames, self.config.encoder) + len(after)

    @torch.inference_mode()
    def classes(self, clips: Sequence[Clip]) -> list[list[int]]:
        """The class of each mark of each clip: samples (n,) at 16 kHz, and the token ids after the audio.

        The clips share a forward only.

        Raises:
            InvalidRequest: one of them has more than `max_positions`.
        """
        for samples, after in clips:
            self._check_length(self.num_positions(len(samples), after))
        prompts = [self._prompt(sound, after) for sound, (_, after) in zip(self._sounds(clips), clips, strict=True)]
        hidden = self._decoder.read(pad_sequence(prompts, batch_first=True))
        places = [self._marks(len(prompt), after) for prompt, (_, after) in zip(prompts, clips, strict=True)]
        rows = torch.arange(len(clips)).repeat_interleave(torch.tensor([len(some) for some in places]))
        marks = hidden[to_device(rows, hidden.device), to_device(torch.cat(places), hidden.device)]
        found = linear(marks, self._score, self._bias).argmax(-1)
        return [some.tolist() for some in found.cpu().split([len(some) for some in places])]

    def _check_length(self, num_positions: int) -> None:
        if num_positions > self.max_positions:
            raise InvalidRequest(
                f"sound and words take {num_positions} positions; the limit is {self.max_positions}: send less TEXT"
            )

    def _sounds(self, clips: Sequence[Clip]) -> list[torch.Tensor]:
        """(tokens, hidden) of each clip."""
        windows = [self._encoder.windows(features) for features in self._log_mel([samples for samples, _ in clips])]
        encoded = iter(self._encoder([window for some in windows for window in some]))
        return [torch.cat([next(encoded) for _ in some]) for some in windows]

    def _prompt(self, sound: torch.Tensor, after: Sequence[int]) -> torch.Tensor:
        ids = to_device(torch.tensor([*self.prompts.before, *after]), sound.device)
        before, behind = embedding(ids, self._embeddings).split([len(self.prompts.before), len(after)])
        return torch.cat((before, sound, behind))

    def _marks(self, num_positions: int, after: Sequence[int]) -> torch.Tensor:
        """The positions of the marks in a prompt."""
        found = (torch.tensor(after) == self.prompts.mark).nonzero()[:, 0]
        return found + num_positions - len(after)
