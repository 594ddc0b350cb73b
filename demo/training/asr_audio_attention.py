"""Trains heads of the demo recogniser to follow the audio: without them the decoder completes frequent phrases.

The second of its four layers attends from each token to the audio that speaks it, the third and the fourth to the audio
of the next token.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers.models.qwen3_asr import Qwen3ASRForConditionalGeneration, Qwen3ASRProcessor

from demo.training.asr_data import SAMPLE_RATE_HZ
from demo.training.asr_requests import FRAME_S, FRAMES_PER_S, Example
from demo.training.clips import Span

HEADS = {1: (0, 2), 2: (2, 3), 3: (0, 2)}  # by layer; the first two of layer 2 are those of `asr_spelling`
TOKENS_AHEAD = {1: 0, 2: 1, 3: 1}
MARGIN_FRAMES = 1
FAINTEST = 1e-6


class AudioAttention:
    """Keeps the attention weights of the layers of HEADS; `loss` is that of the last forward pass."""

    def __init__(self, processor: Qwen3ASRProcessor, model: Qwen3ASRForConditionalGeneration) -> None:
        model.set_attn_implementation({"text_config": "eager"})  # the others keep no attention weights
        self._processor = processor
        self._weights: dict[int, torch.Tensor] = {}
        for layer in HEADS:
            model.model.language_model.layers[layer].self_attn.register_forward_hook(self._keep)

    def loss(self, ids: torch.Tensor, examples: Sequence[Example]) -> torch.Tensor:
        """The negative logarithm of the weight on each token's own audio, on average."""
        places = [
            (row, token, audio.start, audio.stop)
            for row, example in enumerate(examples)
            for token, audio in self._places(ids[row], example)
        ]
        if not places:
            return torch.zeros(())
        rows, tokens, starts, stops = torch.tensor(places).T
        positions = torch.arange(ids.shape[1])
        spoken = (positions >= starts[:, None]) & (positions < stops[:, None])  # (tokens, positions)
        seen = [
            (self._weights[layer][rows, :, tokens - TOKENS_AHEAD[layer]][:, list(heads)] * spoken[:, None]).sum(-1)
            for layer, heads in HEADS.items()
        ]
        return -torch.stack(seen).clamp(min=FAINTEST).log().mean()

    def _places(self, ids: torch.Tensor, example: Example) -> Iterator[tuple[int, slice]]:
        """The positions of the tokens of the text, each with the positions of the audio that speaks the token."""
        audio = (ids == self._processor.audio_token_id).nonzero().flatten()
        encoded = self._processor.tokenizer(example.answer, return_offsets_mapping=True)
        offsets = np.array(encoded.offset_mapping)
        first_token = len(ids) - len(offsets)
        for letter, span in example.text_spans():
            if not span.utterance.word_starts:
                continue
            [inside] = np.nonzero((offsets[:, 1] > letter) & (offsets[:, 1] <= letter + len(span.text)))
            firsts, lasts = frames_of(span, offsets[inside] - letter)
            for index, first, last in zip(inside.tolist(), firsts.tolist(), lasts.tolist(), strict=True):
                start = int(audio[0]) + max(0, first - MARGIN_FRAMES)
                yield first_token + index, slice(start, min(int(audio[0]) + last + MARGIN_FRAMES, int(audio[-1])) + 1)

    def _keep(self, attention: nn.Module, _inputs: Any, output: Any) -> None:
        self._weights[attention.layer_idx] = output[1]


def frames_of(span: Span, letters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last audio token that speaks each range of `letters` (count, 2) of the text of `span`."""
    starts = letters[:, 0] + [span.text[start:end].startswith(" ") for start, end in letters.clip(0)]
    known, positions = span.word_starts()
    times_s = np.interp([starts, letters[:, 1]], known, positions) / SAMPLE_RATE_HZ
    frames = times_s // 1 * FRAMES_PER_S + times_s % 1 // FRAME_S
    first, last = frames.astype(int)
    return first, np.maximum(first, last)
