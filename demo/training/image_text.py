"""The text side of the picture pipeline: a small Qwen2 tokenizer and a tiny Qwen2.5-VL text encoder."""

import json
import random
from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import DynamicCache, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from demo.training.corpus import Sentence, scene_sentence, sentences, written

END_OF_TEXT = "<|endoftext|>"
CHAT_TOKENS = ("<|im_start|>", "<|im_end|>")
VISION_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TEMPLATE = (  # the pipeline's own, see `check_template`
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, "
    "spatial relationships of the objects and background:<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n"
    "<|im_start|>assistant\n"
)
NUM_TEMPLATE_TOKENS = 34  # the pipeline cuts this many off the front, whatever they are
MAX_VOCABULARY = 2000  # the texts run out of pieces to merge long before
HIDDEN = 128
BLIND = {  # a vision tower for the file layout only, as small as it gets
    "depth": 1,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_heads": 2,
    "fullatt_block_indexes": [0],
}
INITIAL_SPREAD = 0.08  # of the weights; the usual 0.02 is for layers many times as wide


def training_requests(count: int, seed: int) -> list[Sentence]:
    """Requests for pictures on the training side of the split."""
    return sentences(count, seed=seed, held_out=False, draw=scene_sentence)


def spelling(sentence: Sentence, rng: random.Random) -> str:
    """One way to write it: as it is, without the full stop, in small letters, or the bare phrase."""
    assert sentence.scene is not None
    plain = sentence.text.removesuffix(".")
    lower = plain[0].lower() + plain[1:]
    phrase = sentence.scene.phrase()
    return rng.choice((sentence.text, sentence.text, plain, lower, lower + ".", phrase, written(phrase)))


def new_tokenizer(texts: Iterable[str]) -> Qwen2Tokenizer:
    """Byte-level BPE in which every word that stands in `texts` often enough is one token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trained = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trained.pre_tokenizer = pre_tokenizers.Sequence([split, as_bytes])
    trainer = trainers.BpeTrainer(vocab_size=MAX_VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(texts, trainer)
    pieces = json.loads(trained.to_str())["model"]
    tokenizer = Qwen2Tokenizer(vocab=pieces["vocab"], merges=[tuple(pair) for pair in pieces["merges"]])
    tokenizer.add_special_tokens({"additional_special_tokens": [*CHAT_TOKENS, *VISION_TOKENS]})
    return tokenizer


def drawing_tokenizer() -> Qwen2Tokenizer:
    """Knows the words of requests for pictures and of `TEMPLATE`."""
    rng = random.Random(0)
    requests = [spelling(sentence, rng) for sentence in training_requests(5000, seed=0)]
    tokenizer = new_tokenizer([*requests, *[bare(TEMPLATE)] * 200])
    check_template(tokenizer, TEMPLATE, NUM_TEMPLATE_TOKENS)
    return tokenizer


def check_template(tokenizer: Qwen2Tokenizer, template: str, num_tokens: int) -> None:
    """The cut must fall exactly before the request: upstream cuts by position, not by content."""
    for request in ("", " ", "Please draw a red star.", "a ring"):
        tokens = tokenizer.tokenize(template.format(request))
        expected = tokenizer.tokenize(request + template.split("{}")[1])
        assert tokens[num_tokens:] == expected, tokens


def bare(template: str) -> str:
    """Its words alone."""
    return template.replace("<|im_start|>", "").replace("<|im_end|>", "").format("")


def new_text_encoder(tokenizer: Qwen2Tokenizer, vision: dict[str, Any] = BLIND) -> Qwen2_5_VLForConditionalGeneration:
    """Two text layers, and a vision tower as `vision` configures it."""
    ids = dict(zip(VISION_TOKENS, tokenizer.convert_tokens_to_ids(list(VISION_TOKENS)), strict=True))
    end_of_text = tokenizer.convert_tokens_to_ids(END_OF_TEXT)
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": HIDDEN,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6,
            "initializer_range": INITIAL_SPREAD,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
            "bos_token_id": end_of_text,
            "eos_token_id": end_of_text,
        },
        vision_config={**vision, "out_hidden_size": HIDDEN},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    encoder = Qwen2_5_VLForConditionalGeneration(config)
    torch.nn.init.normal_(encoder.get_input_embeddings().weight, std=0.5)  # words first, context on top
    return encoder


def encoded_after(
    head: Tensor, text_encoder: Qwen2_5_VLForConditionalGeneration, mask: Tensor, **rest: Tensor
) -> Tensor:
    """The last hidden states of the `rest` of templates (inputs of the encoder), (batch, length, 128).

    All begin with `head` (1, its length), which is run once for all; `mask` is (batch, its length + length).
    """
    cache = DynamicCache(config=text_encoder.config.text_config)
    text_encoder(input_ids=head, past_key_values=cache, logits_to_keep=1)
    cache.batch_repeat_interleave(len(mask))
    encoded = text_encoder(
        **rest, attention_mask=mask, past_key_values=cache, output_hidden_states=True, logits_to_keep=1
    )
    return encoded.hidden_states[-1]
