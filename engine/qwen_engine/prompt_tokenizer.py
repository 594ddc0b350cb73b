"""The tokenizer of prompts with audio or pictures."""

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

HALF_CHARACTER = "\N{REPLACEMENT CHARACTER}"


class PromptTokenizer:
    """The tokenizer.json of a checkpoint folder; control tokens in text are escaped."""

    def __init__(self, folder: Path) -> None:
        description = json.loads((folder / "tokenizer.json").read_bytes())
        self._tokenizer = Tokenizer.from_str(json.dumps(description))
        self._plain = Tokenizer.from_str(json.dumps({**description, "added_tokens": []}))

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, never those of control tokens."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids` without control tokens; half a character at the end is U+FFFD."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def control(self, token: str) -> int:
        """The id of a control token."""
        found: int | None = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the checkpoint's tokenizer has no token {token!r}")
        return found
