"""The talker's training batches, laid out as the official generate feeds it.

Every position adds a text embedding and a codec embedding. With the whole text first (non_streaming_mode):

    text   instruction  <|im_start|> assistant \\n | pad … pad    bos       | words …   eos       | pad       pad …
    codec       -            -          -      -  | think … voice codec_pad | codec_pad … codec_pad | codec_bos frames …

With the text alongside the frames, the last two parts are one, and pads follow the shorter text:

    text   … bos       | words …            eos pad …
    codec  … codec_pad | codec_bos frames … …

A frame's codec embedding is the sum over its code groups. In-context cloning is the same with the reference's words
before the text and its frames before the speech. A clone's voice is a vector in place of a speaker's embedding; a
designed voice has no such position.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from demo.training.text_tokens import special_id
from demo.training.tts_config import (
    LANGUAGES,
    NUM_GROUPS,
    Qwen3TTSForConditionalGeneration,
    talker_config,
)
from demo.training.voice_space import DIMENSION

NOTHING = -1
VOICE = -2
IGNORED = -100
PAUSE = -1
CONFIG = talker_config()
PAD, BOS, EOS = special_id("<tts_pad>"), special_id("<tts_text_bos>"), special_id("<tts_text_eod>")


@dataclass
class Speech:
    """What is said, the reference of in-context cloning included: tokens, codes (frames, groups), and for each frame
    the index of the token that it speaks, PAUSE in the silence after a reference."""

    tokens: list[int]
    codes: np.ndarray
    pointed: np.ndarray

    def after(self, reference: "Speech") -> "Speech":
        """This speech with `reference` before it."""
        return Speech(
            reference.tokens + self.tokens,
            np.concatenate([reference.codes, self.codes]),
            np.concatenate([reference.pointed, self.pointed + len(reference.tokens)]),
        )


@dataclass
class Example:
    """text_ids, codec_ids, labels, spoken (time); the frames end the row. `voice` stands at codec id VOICE.

    A pause has no labels: else the talker would learn to go on with it.

    `spoken` is the position of the token that the predicted frame speaks, IGNORED where it is not fed yet.
    """

    text_ids: np.ndarray
    codec_ids: np.ndarray
    codes: np.ndarray
    labels: np.ndarray
    spoken: np.ndarray
    voice: np.ndarray | None


def head_ids(language: str | None, speaker: int | None) -> list[int]:
    """Codec ids from the language to the one that precedes the text; `speaker` is an id, VOICE, or None."""
    if language is None:
        think = [CONFIG["codec_nothink_id"], CONFIG["codec_think_bos_id"], CONFIG["codec_think_eos_id"]]
    else:
        think = [CONFIG["codec_think_id"], CONFIG["codec_think_bos_id"], LANGUAGES[language]]
        think.append(CONFIG["codec_think_eos_id"])
    return [*think, *([] if speaker is None else [speaker]), CONFIG["codec_pad_id"]]


def lay_out(
    speech: Speech,
    head: Sequence[int],
    *,
    role: Sequence[int],
    streaming: bool,
    voice: np.ndarray | None = None,
) -> Example:
    """`head` is `head_ids`; `role` are the text ids before it, an instruction's included."""
    words = [*speech.tokens, EOS]
    num_frames = len(speech.codes)
    text = [*role, *[PAD] * (len(head) - 1), BOS]
    codec = [NOTHING] * len(role) + list(head)
    first_word = len(text)
    if streaming:
        words = words[: num_frames + 1]
        text += words + [PAD] * (num_frames + 1 - len(words))
    else:
        text += words + [PAD] * (num_frames + 1)
        codec += [CONFIG["codec_pad_id"]] * len(words)
    first = len(codec)
    codec += [CONFIG["codec_bos_id"]] + [NOTHING] * num_frames
    labels = np.full(len(text), IGNORED)
    labels[first:-1] = np.where(speech.pointed == PAUSE, IGNORED, speech.codes[:, 0])
    labels[-1] = CONFIG["codec_eos_token_id"]
    spoken = np.full(len(text), IGNORED)
    spoken[first:] = first_word + np.append(speech.pointed, len(speech.tokens))
    spoken[(spoken > np.arange(len(text))) | (labels == IGNORED)] = IGNORED
    return Example(np.array(text), np.array(codec), speech.codes, labels, spoken, voice)


@dataclass
class Batch:
    """Right-padded: text_ids, codec_ids, labels, spoken (batch, time); codes (batch, time, groups) where is_frame;
    voices (batch, dimension) where codec_ids is VOICE; last_text (batch): the position of the text's end."""

    text_ids: torch.Tensor
    codec_ids: torch.Tensor
    codes: torch.Tensor
    is_frame: torch.Tensor
    labels: torch.Tensor
    spoken: torch.Tensor
    voices: torch.Tensor
    last_text: torch.Tensor


def make_batch(examples: Sequence[Example]) -> Batch:
    shape = len(examples), max(len(example.text_ids) for example in examples)
    text_ids, codec_ids = np.full(shape, PAD), np.full(shape, NOTHING)
    codes = np.zeros((*shape, NUM_GROUPS), dtype=np.int64)
    is_frame = np.zeros(shape, dtype=bool)
    labels, spoken = np.full(shape, IGNORED), np.full(shape, IGNORED)
    dimension = max((len(example.voice) for example in examples if example.voice is not None), default=DIMENSION)
    voices = np.zeros((len(examples), dimension), dtype=np.float32)
    for row, example in enumerate(examples):
        end = len(example.text_ids)
        start = end - len(example.codes)
        text_ids[row, :end] = example.text_ids
        codec_ids[row, :end] = example.codec_ids
        codes[row, start:end] = example.codes
        is_frame[row, start:end] = True
        labels[row, :end] = example.labels
        spoken[row, :end] = example.spoken
        if example.voice is not None:
            voices[row] = example.voice
    last_text = spoken.max(1)  # the last label is the end, which speaks the end of the text
    arrays = (text_ids, codec_ids, codes, is_frame, labels, spoken, voices, last_text)
    return Batch(*(torch.from_numpy(one) for one in arrays))


def embed_codes(model: Qwen3TTSForConditionalGeneration, codes: torch.Tensor) -> torch.Tensor:
    """Sum over the groups of `codes` (..., groups): (..., hidden)."""
    talker = model.talker
    embedded = talker.get_input_embeddings()(codes[..., 0])
    for group, table in enumerate(talker.code_predictor.get_input_embeddings(), start=1):
        embedded = embedded + table(codes[..., group])
    return embedded


def embed(model: Qwen3TTSForConditionalGeneration, voice_projection: nn.Module, batch: Batch) -> torch.Tensor:
    """inputs_embeds (batch, time, hidden), equal to what the official generate feeds the talker."""
    talker = model.talker
    words = talker.text_projection(talker.get_text_embeddings().weight)
    codec = talker.get_input_embeddings()(batch.codec_ids.clamp(min=0))
    codec = codec * (batch.codec_ids >= 0).unsqueeze(-1)
    rows, times = batch.is_frame.nonzero(as_tuple=True)
    codec = codec.index_put((rows, times), embed_codes(model, batch.codes[rows, times]))
    rows, times = (batch.codec_ids == VOICE).nonzero(as_tuple=True)
    if len(rows):
        codec = codec.index_put((rows, times), voice_projection(batch.voices[rows]))
    return nn.functional.embedding(batch.text_ids, words) + codec
