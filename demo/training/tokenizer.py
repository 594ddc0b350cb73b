"""Byte-level BPE tokenizers laid out as Qwen's: byte and merge tokens first, special tokens after them."""

import json
from collections.abc import Sequence

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

# How Qwen cuts text before merging: contractions, words with their leading space, single digits, punctuation, blanks.
PRETOKENIZE_REGEX = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MIN_FREQUENCY = 2


def _untrained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train_tokenizer(
    texts: Sequence[str], vocab_size: int, special_tokens: Sequence[str], whole_words: Sequence[str] = ()
) -> Tokenizer:
    """A tokenizer of at most `vocab_size` ids, special tokens included.

    Each of `special_tokens` is one id, in order, the last ids of all. Each of `whole_words` becomes one id too
    where no space precedes it ("system" of the chat template, say); write " word" for the form after a space.

        tokenizer = train_tokenizer(texts, 500, ["<|endoftext|>", "<|im_start|>"], ["user", "assistant"])
        tokenizer.encode("<|im_start|>user\\nhello").ids
    """
    tokenizer = _untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(special_tokens),
        min_frequency=MIN_FREQUENCY,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    repeated = list(whole_words) * max(MIN_FREQUENCY, len(texts))  # frequent enough to be merged before the rest
    tokenizer.train_from_iterator([*texts, *repeated], trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special_tokens])
    for word in whole_words:
        assert len(tokenizer.encode(word).ids) == 1, f"{word!r} is not one token: the vocabulary is too small"
    return tokenizer


def with_characters(tokenizer: Tokenizer, characters: Sequence[str]) -> Tokenizer:
    """`tokenizer` with one more token for each of `characters`; all it could write before, it writes as before.

    Their bytes are merged from the left, after all other merges; special tokens keep their place behind, so their ids
    move.
    """
    state = json.loads(tokenizer.to_str())
    vocabulary, merges = state["model"]["vocab"], state["model"]["merges"]
    next_id = tokenizer.get_vocab_size(with_added_tokens=False)
    for character in characters:
        (encoded, _), *_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(character)
        for length in range(2, len(encoded) + 1):
            if encoded[:length] not in vocabulary:
                vocabulary[encoded[:length]] = next_id
                merges.append([encoded[: length - 1], encoded[length - 1]])
                next_id += 1
    return Tokenizer.from_str(json.dumps(state))
