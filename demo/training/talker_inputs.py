"""The talker's training batches, laid out as the official generate feeds it (custom voice, whole text first).

Every position adds a text embedding and a codec embedding:

    text   <|im_start|> assistant \\n | pad … pad    bos       | letters …   eos       pad       | pad …
    codec        -          -      -  | think … voice codec_pad | codec_pad … codec_pad codec_bos | frames …

A frame's codec embedding is the sum over its code groups.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from demo.training.tts_config import (
    LANGUAGES,
    NUM_GROUPS,
    Qwen3TTSForConditionalGeneration,
    special_id,
    talker_config,
)

NOTHING = -1
IGNORED = -100
CONFIG = talker_config()
ROLE = [special_id("<|im_start|>"), special_id("assistant"), ord("\n")]
PAD, BOS, EOS = special_id("<tts_pad>"), special_id("<tts_text_bos>"), special_id("<tts_text_eod>")


def prompt_ids(text: str, speaker: str, language: str | None) -> tuple[list[int], list[int]]:
    """Text ids and codec ids of the prompt, up to the position that predicts the first frame."""
    if language is None:
        think = [CONFIG["codec_nothink_id"], CONFIG["codec_think_bos_id"], CONFIG["codec_think_eos_id"]]
    else:
        think = [CONFIG["codec_think_id"], CONFIG["codec_think_bos_id"], LANGUAGES[language]]
        think.append(CONFIG["codec_think_eos_id"])
    head = [*think, CONFIG["spk_id"][speaker]]
    letters = list(text.encode())
    text_ids = [*ROLE, *[PAD] * len(head), BOS, *letters, EOS, PAD]
    codec_ids = [NOTHING] * len(ROLE) + head + [CONFIG["codec_pad_id"]] * (len(letters) + 2)
    return text_ids, [*codec_ids, CONFIG["codec_bos_id"]]


@dataclass
class Batch:
    """Right-padded: text_ids, codec_ids, labels, spoken (batch, time); codes (batch, time, groups) where is_frame.

    `spoken` is the position of the letter that the predicted frame speaks.
    """

    text_ids: torch.Tensor
    codec_ids: torch.Tensor
    codes: torch.Tensor
    is_frame: torch.Tensor
    labels: torch.Tensor
    spoken: torch.Tensor


def make_batch(prompts: list[tuple[list[int], list[int]]], codes: list[np.ndarray], letters: list[np.ndarray]) -> Batch:
    """`codes` (frames, groups) follow each of `prompts`; labels hold the next frame's first code, then EOS.

    `letters` (frames) is the index of the letter that each frame speaks.
    """
    size = len(prompts)
    longest = max(len(prompt[0]) + len(one) for prompt, one in zip(prompts, codes, strict=True))
    text_ids = np.full((size, longest), PAD)
    codec_ids = np.full((size, longest), NOTHING)
    all_codes = np.zeros((size, longest, NUM_GROUPS), dtype=np.int64)
    is_frame = np.zeros((size, longest), dtype=bool)
    labels = np.full((size, longest), IGNORED)
    spoken = np.zeros((size, longest), dtype=np.int64)
    for row, ((text, codec), one, frame_letters) in enumerate(zip(prompts, codes, letters, strict=True)):
        start, end = len(text), len(text) + len(one)
        text_ids[row, :start] = text
        codec_ids[row, :start] = codec
        all_codes[row, start:end] = one
        is_frame[row, start:end] = True
        labels[row, start - 1 : end - 1] = one[:, 0]
        labels[row, end - 1] = CONFIG["codec_eos_token_id"]
        end_of_text = start - 2
        first_letter = text.index(BOS) + 1
        spoken[row, start - 1 : end - 1] = np.minimum(first_letter + frame_letters, end_of_text - 1)
        spoken[row, end - 1] = end_of_text
    return Batch(*(torch.from_numpy(array) for array in (text_ids, codec_ids, all_codes, is_frame, labels, spoken)))


def embed_codes(model: Qwen3TTSForConditionalGeneration, codes: torch.Tensor) -> torch.Tensor:
    """Sum over the groups of `codes` (..., groups): (..., hidden)."""
    talker = model.talker
    embedded = talker.get_input_embeddings()(codes[..., 0])
    for group, table in enumerate(talker.code_predictor.get_input_embeddings(), start=1):
        embedded = embedded + table(codes[..., group])
    return embedded


def embed(model: Qwen3TTSForConditionalGeneration, batch: Batch) -> torch.Tensor:
    """inputs_embeds (batch, time, hidden), equal to what the official generate feeds the talker."""
    talker = model.talker
    letters = talker.text_projection(talker.get_text_embeddings().weight)
    prompt = talker.get_input_embeddings()(batch.codec_ids.clamp(min=0))
    prompt = prompt * (batch.codec_ids != NOTHING).unsqueeze(-1)
    codec = torch.where(batch.is_frame.unsqueeze(-1), embed_codes(model, batch.codes), prompt)
    return nn.functional.embedding(batch.text_ids, letters) + codec
