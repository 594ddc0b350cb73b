"""The text side of the editing pipeline: its tokenizer, its processor, and the text encoder that knows their words."""

import random

import torch
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from demo.training.edits import draw_edits
from demo.training.image_text import (
    END_OF_TEXT,
    bare,
    check_template,
    new_text_encoder,
    new_tokenizer,
    spelling,
    training_requests,
)
from qwen_engine.image.processor import PictureProcessor

TEMPLATE = (  # the pipeline's own, see `image_edit.save`
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, "
    "background), then explain how the user's text instruction should alter or modify the image. Generate a new image "
    "that meets the user's requirements while maintaining consistency with the original input where appropriate."
    "<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
NUM_TEMPLATE_TOKENS = 64  # the pipeline cuts this many off the front, whatever they are
PICTURE_PIXELS = {"shortest_edge": 28 * 28, "longest_edge": 64 * 64}  # the text encoder sees square ones as 56×56
NUM_PICTURE_TOKENS = 4  # each for 28×28 of them
PICTURE_PAD = "<|image_pad|>"
EYES = {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "fullatt_block_indexes": [0, 1]}
PICTURE = f"Picture 1: <|vision_start|>{PICTURE_PAD * NUM_PICTURE_TOKENS}<|vision_end|>"


def prompt(instruction: str) -> str:
    """What the processor makes of an instruction for one square picture."""
    return TEMPLATE.format(PICTURE + instruction)


def editing_tokenizer() -> Qwen2Tokenizer:
    """Knows the words of `TEMPLATE`, of edits and of requests for pictures."""
    rng = random.Random(0)
    edits = [edit.text(rng) for edit in draw_edits(5000, seed=0, held_out=False)]
    requests = [spelling(sentence, rng) for sentence in training_requests(5000, seed=0)]
    tokenizer = new_tokenizer([*edits, *requests, *[bare(TEMPLATE), "Picture 1: ", "Picture 2: "] * 200])
    check_template(tokenizer, TEMPLATE, NUM_TEMPLATE_TOKENS)
    return tokenizer


def new_processor(tokenizer: Qwen2Tokenizer) -> PictureProcessor:
    return PictureProcessor(Qwen2VLImageProcessorPil(size=PICTURE_PIXELS), tokenizer)


@torch.no_grad()
def with_vocabulary(
    trained: Qwen2_5_VLForConditionalGeneration, known: Qwen2Tokenizer, tokenizer: Qwen2Tokenizer
) -> Qwen2_5_VLForConditionalGeneration:
    """`trained`, whose tokenizer is `known`, with the tokens of `tokenizer` and a new vision tower (see `edit_vision`).

    New tokens start as the mean of their pieces.
    """
    encoder = new_text_encoder(tokenizer, EYES)
    tower = {f"model.visual.{name}": weight for name, weight in encoder.model.visual.state_dict().items()}
    weights = {**trained.state_dict(), **tower}
    old = trained.get_input_embeddings().weight
    rows = encoder.get_input_embeddings().weight.clone()
    for token, index in tokenizer.get_vocab().items():
        special = token == END_OF_TEXT or token in tokenizer.all_special_tokens
        text = token if special else tokenizer.convert_tokens_to_string([token])
        rows[index] = old[known(text)["input_ids"]].mean(dim=0)
    for name in ("model.language_model.embed_tokens.weight", "lm_head.weight"):
        weights[name] = rows
    encoder.load_state_dict({name: weights[name] for name in encoder.state_dict()})
    return encoder
