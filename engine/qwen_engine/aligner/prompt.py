"""The aligner's prompt: the audio, then each word with a mark for its start and one for its end."""

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

MARK = "<timestamp>"
MARKS_PER_WORD = 2


class AlignerPrompts:
    """The tokenizer of one checkpoint folder. Control tokens in callers' words are escaped.

    Example:
        prompts.before, prompts.after(["good", "morning"])  # token ids around the audio
    """

    def __init__(self, folder: Path) -> None:
        description = json.loads((folder / "tokenizer.json").read_bytes())
        self._plain = Tokenizer.from_str(json.dumps({**description, "added_tokens": []}))
        self._plain.no_padding()  # a saved tokenizer may have padding on
        self._plain.no_truncation()
        control = {token["content"]: token["id"] for token in description["added_tokens"]}
        missing = {"<|audio_start|>", "<|audio_end|>", MARK} - control.keys()
        if missing:
            raise ValueError(
                f"the checkpoint's tokenizer has no token {', '.join(sorted(missing))}: it is no aligner's"
            )
        self.mark: int = control[MARK]
        self.before = [control["<|audio_start|>"]]
        self._audio_end: int = control["<|audio_end|>"]

    def after(self, words: Sequence[str]) -> list[int]:
        """Token ids after the audio, `mark` twice after each word."""
        ids = [self._audio_end]
        for encoding in self._plain.encode_batch_fast(list(words), add_special_tokens=False):
            ids += [*encoding.ids, *[self.mark] * MARKS_PER_WORD]
        return ids
