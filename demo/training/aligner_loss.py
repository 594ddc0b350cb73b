"""The losses of the demo aligner: the class of each mark, and four auxiliary ones without which a small model fails.

From bottom to top: the encoder learns which token of the text each audio token speaks, the audio tokens learn to tell
their own time, the tokens of a word learn to point to the audio tokens that speak it, and its marks learn to point to
those at its start and its end. What is left is to read one off the other.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.models.qwen3_asr import Qwen3ASRForTokenClassification, Qwen3ASRProcessor

from demo.training.aligner_model import CLASS_S, NUM_CLASSES, frame_times_s
from demo.training.clips import Clip
from demo.training.word_times import TimedWord, timed_words

BLUR = 0.6  # classes: how far the target of a time spreads over the classes beside it
TIME_LAYER, WORD_LAYER, MARK_LAYER = 1, 2, 4  # of the decoder's six
NUM_ALIGNED_HEADS = 2
LOSSES = ("class", "frame", "time", "words", "marks")
WEIGHTS = (1.0, 0.5, 0.5, 0.3, 0.3)
FAINTEST = 1e-6


def class_targets(times_s: torch.Tensor) -> torch.Tensor:
    """(times, classes): a narrow bell over the classes around each time."""
    distance = torch.arange(NUM_CLASSES) - (times_s / CLASS_S)[:, None]
    return (-0.5 * (distance / BLUR) ** 2).softmax(-1)


@dataclass(frozen=True)
class TimedTokens:
    """The tokens of a clip's words and when each is spoken, as if its letters took equally long: (tokens,)."""

    ids: torch.Tensor
    starts_s: torch.Tensor
    ends_s: torch.Tensor

    def at(self, times_s: torch.Tensor, nothing: int) -> torch.Tensor:
        """The token spoken at each of `times_s`, or `nothing`."""
        index = torch.searchsorted(self.starts_s, times_s, right=True) - 1
        spoken = (index >= 0) & (times_s < self.ends_s[index])
        return torch.where(spoken, self.ids[index], nothing)


class AlignerLosses(nn.Module):
    """The losses of `model` over a batch of clips; `time_of_audio` serves the training only."""

    def __init__(self, processor: Qwen3ASRProcessor, model: Qwen3ASRForTokenClassification) -> None:
        super().__init__()
        self.time_of_audio = nn.Linear(model.config.text_config.hidden_size, NUM_CLASSES)
        nn.init.zeros_(self.time_of_audio.weight)  # so that an aligner that goes on from another keeps what it knows
        self.model, self._processor = model, processor
        self._tokens = functools.cache(self._tokens_of)
        self._kept: dict[str, torch.Tensor] = {}
        layers = model.model.language_model.layers
        self._keep(model.model.multi_modal_projector, "heard", lambda output: output)
        self._keep(layers[TIME_LAYER], "timed", lambda output: output)
        self._keep(layers[WORD_LAYER].self_attn, "words", lambda output: output[1])
        self._keep(layers[MARK_LAYER].self_attn, "marks", lambda output: output[1])

    def _keep(self, module: nn.Module, name: str, chosen: Callable[[Any], torch.Tensor]) -> None:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self._kept[name] = chosen(output)

        module.register_forward_hook(hook)

    def forward(self, clips: Sequence[Clip]) -> tuple[torch.Tensor, ...]:
        """Cross entropies, in the order of LOSSES."""
        inputs, _ = self._processor.prepare_forced_aligner_inputs(
            [clip.samples for clip in clips], [clip.text for clip in clips]
        )
        logits = self.model(**inputs, use_cache=False).logits
        ids = inputs["input_ids"]
        audio, marks = ids == self._processor.audio_token_id, ids == self.model.config.timestamp_token_id
        ended = ids == self._processor.audio_eos_token_id
        written = (ended.cumsum(-1) > 0) & ~ended & ~marks
        words = [[word for span in clip.spans for word in timed_words(span)] for clip in clips]
        marked_s = [torch.tensor([time_s for word in row for time_s in (word.start_s, word.end_s)]) for row in words]
        tokens = [self._timed_tokens(row) for row in words]
        heard_s = [frame_times_s(int(count)) for count in audio.sum(-1)]
        return (
            functional.cross_entropy(logits[marks], class_targets(torch.cat(marked_s))),
            self._frame_loss(tokens, heard_s),
            functional.cross_entropy(self.time_of_audio(self._kept["timed"][audio]), class_targets(torch.cat(heard_s))),
            attention_loss(
                self._kept["words"], written, audio, [(row.starts_s + row.ends_s) / 2 for row in tokens], heard_s
            ),
            attention_loss(self._kept["marks"], marks, audio, marked_s, heard_s),
        )

    def _frame_loss(self, tokens: Sequence[TimedTokens], heard_s: Sequence[torch.Tensor]) -> torch.Tensor:
        """Of the audio embeddings, read as the tokens spoken about then."""
        nothing = self._processor.audio_token_id
        targets = [row.at(times_s, nothing) for row, times_s in zip(tokens, heard_s, strict=True)]
        read = functional.linear(self._kept["heard"], self.model.get_input_embeddings().weight)
        return functional.cross_entropy(read, torch.cat(targets))

    def _timed_tokens(self, words: Sequence[TimedWord]) -> TimedTokens:
        rows = [
            (token, *(word.start_s + share * (word.end_s - word.start_s) for share in (start, end)))
            for word in words
            for token, start, end in self._tokens(word.text)
        ]
        ids, starts_s, ends_s = zip(*rows, strict=True)
        return TimedTokens(torch.tensor(ids), torch.tensor(starts_s), torch.tensor(ends_s))

    def _tokens_of(self, word: str) -> list[tuple[int, float, float]]:
        """Each token of `word` with the shares of the word at which its letters begin and end."""
        encoded = self._processor.tokenizer(word, return_offsets_mapping=True)
        return [
            (token, start / len(word), end / len(word))
            for token, (start, end) in zip(encoded.input_ids, encoded.offset_mapping, strict=True)
        ]


def attention_loss(
    attention: torch.Tensor,
    pointing: torch.Tensor,
    audio: torch.Tensor,
    wanted_s: Sequence[torch.Tensor],
    heard_s: Sequence[torch.Tensor],
) -> torch.Tensor:
    """How far the first heads are from attending to the audio token nearest to each wanted time.

    `attention` (batch, heads, tokens, tokens); `pointing` and `audio` (batch, tokens) tell the queries and the keys;
    `wanted_s` and `heard_s` are the times of these, for each clip.
    """
    losses = []
    for row, (times_s, frames_s) in enumerate(zip(wanted_s, heard_s, strict=True)):
        weights = attention[row, :NUM_ALIGNED_HEADS][:, pointing[row]][:, :, audio[row]]
        nearest = (times_s[:, None] - frames_s).abs().argmin(-1)
        losses.append(-weights[:, torch.arange(len(nearest)), nearest].clamp(min=FAINTEST).log().flatten())
    return torch.cat(losses).mean()
