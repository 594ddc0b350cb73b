"""How the demo aligner is taught: which class each mark has, and two lessons that make so small a model learn it.

Below, the audio tokens learn to tell their own time; above, two heads learn to point from a mark to the audio token at
its time. What is left is to read one off the other.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from transformers.models.qwen3_asr import Qwen3ASRForTokenClassification, Qwen3ASRProcessor

from demo.training.aligner_model import CLASS_S, NUM_CLASSES, frame_times_s
from demo.training.clips import Clip
from demo.training.word_times import timed_words

BLUR = 0.6  # classes: how far the target of a time spreads over the classes beside it
TIME_LAYER, POINTING_LAYER = 1, 3  # of the decoder
NUM_POINTING_HEADS = 2
TIME_WEIGHT, POINTING_WEIGHT = 0.5, 0.3
FAINTEST = 1e-6


def mark_times_s(clip: Clip) -> torch.Tensor:
    """Start and end of each word of `clip`, one after another (marks,)."""
    words = [word for span in clip.spans for word in timed_words(span)]
    return torch.tensor([time_s for word in words for time_s in (word.start_s, word.end_s)])


def class_targets(times_s: torch.Tensor) -> torch.Tensor:
    """(times, classes): a narrow bell over the classes around each time."""
    distance = torch.arange(NUM_CLASSES) - (times_s / CLASS_S)[:, None]
    return (-0.5 * (distance / BLUR) ** 2).softmax(-1)


class Lessons(nn.Module):
    """The losses of `model` over a batch of clips; `time_of_audio` serves the training only."""

    def __init__(self, processor: Qwen3ASRProcessor, model: Qwen3ASRForTokenClassification) -> None:
        super().__init__()
        self.time_of_audio = nn.Linear(model.config.text_config.hidden_size, NUM_CLASSES)
        self.model, self._processor = model, processor
        layers = model.model.language_model.layers
        layers[TIME_LAYER].register_forward_hook(self._keep_hidden)
        layers[POINTING_LAYER].self_attn.register_forward_hook(self._keep_attention)

    def _keep_hidden(self, _module: nn.Module, _inputs: tuple[object, ...], output: torch.Tensor) -> None:
        self._hidden = output

    def _keep_attention(
        self, _module: nn.Module, _inputs: tuple[object, ...], output: tuple[torch.Tensor, torch.Tensor]
    ) -> None:
        self._attention = output[1]

    def forward(self, clips: Sequence[Clip]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Cross entropies of the marks' classes, of the audio tokens' times and of the pointing heads."""
        inputs, _ = self._processor.prepare_forced_aligner_inputs(
            [clip.samples for clip in clips], [clip.text for clip in clips]
        )
        logits = self.model(**inputs, use_cache=False).logits
        marks = inputs["input_ids"] == self.model.config.timestamp_token_id
        audio = inputs["input_ids"] == self.model.config.audio_token_id
        times_s = [mark_times_s(clip) for clip in clips]
        heard_s = [frame_times_s(int(count)) for count in audio.sum(-1)]
        class_loss = functional.cross_entropy(logits[marks], class_targets(torch.cat(times_s)))
        time_loss = functional.cross_entropy(self.time_of_audio(self._hidden[audio]), class_targets(torch.cat(heard_s)))
        return class_loss, time_loss, self._pointing_loss(marks, audio, times_s, heard_s)

    def _pointing_loss(
        self, marks: torch.Tensor, audio: torch.Tensor, times_s: list[torch.Tensor], heard_s: list[torch.Tensor]
    ) -> torch.Tensor:
        losses = []
        for row, (wanted_s, frames_s) in enumerate(zip(times_s, heard_s, strict=True)):
            weights = self._attention[row, :NUM_POINTING_HEADS][:, marks[row]][:, :, audio[row]]
            nearest = (wanted_s[:, None] - frames_s).abs().argmin(-1)
            pointed = weights[:, torch.arange(len(nearest)), nearest]
            losses.append(-pointed.clamp(min=FAINTEST).log().flatten())
        return torch.cat(losses).mean()
