"""The demo TTS tokenizer: byte-level BPE whose merges make every word of the vocabulary one token.

Fed alongside the frames, one token comes every 80 ms: letters would be slower than speech.
"""

import functools
import json
import tempfile
from pathlib import Path

from transformers import Qwen2TokenizerFast

from demo.training import corpus, corpus_chinese, instructions
from demo.training.tokenizer import MIN_FREQUENCY, train_tokenizer

MAX_VOCABULARY = 1024
SPECIAL_TEXT = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "assistant", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>",
)  # fmt: skip
GRAMMAR = (
    "a an and at background by call done is meeting next number o'clock on please send starts step task the to today "
    "tomorrow user we agreed"
)


def _instruction_words() -> list[str]:
    phrases = [phrase for group in (*instructions.PITCHES.values(), *instructions.SPEEDS.values()) for phrase in group]
    frames = (*instructions.BOTH_FRAMES, *instructions.PITCH_FRAMES, *instructions.SPEED_FRAMES)
    bare = " ".join((*phrases, *frames)).replace("{pitch}", "").replace("{speed}", "")
    return bare.replace(",", "").replace("-", " ").split()


def _spellings() -> list[str]:
    """Every word as it stands inside a sentence, at its start, and with and without its capital."""
    english = dict.fromkeys([*corpus.WORDS, *GRAMMAR.split(), *_instruction_words()])
    forms = [form for word in english for form in (f" {word}", f" {word.lower()}", word.lower(), word.capitalize())]
    return list(dict.fromkeys([*forms, *corpus_chinese.WORDS]))


@functools.cache
def _merged() -> tuple[dict[str, int], list[str]]:
    """Vocabulary and merges."""
    trained = json.loads(train_tokenizer(_spellings() * MIN_FREQUENCY, MAX_VOCABULARY, ()).to_str())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in trained["merges"]]
    return trained["vocab"], merges


def special_id(text: str) -> int:
    """Id of one of `SPECIAL_TEXT`, which follow the words."""
    return len(_merged()[0]) + SPECIAL_TEXT.index(text)


def vocabulary_size() -> int:
    return len(_merged()[0]) + len(SPECIAL_TEXT)


def build_tokenizer(folder: Path) -> Qwen2TokenizerFast:
    """Upstream cuts the prompt by position, so each of its parts is one id."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = _merged()
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    tokenizer = Qwen2TokenizerFast(
        str(folder / "vocab.json"), str(folder / "merges.txt"), unk_token=None, pad_token="<|endoftext|>"
    )
    tokenizer.add_tokens(list(SPECIAL_TEXT), special_tokens=True)
    assert [tokenizer.convert_tokens_to_ids(text) for text in SPECIAL_TEXT] == [*map(special_id, SPECIAL_TEXT)]
    return tokenizer


@functools.cache
def text_tokenizer() -> Qwen2TokenizerFast:
    """For training inputs."""
    with tempfile.TemporaryDirectory() as folder:
        return build_tokenizer(Path(folder))
