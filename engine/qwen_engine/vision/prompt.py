"""The prompt around a picture, as in the official template.

<|im_start|>user\\n<|vision_start|> PICTURE <|vision_end|>QUESTION<|im_end|>\\n<|im_start|>assistant\\n
"""

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

HALF_CHARACTER = "\N{REPLACEMENT CHARACTER}"
DESCRIBE = "Describe the picture."
DESCRIBE_IN = {"Chinese": "请描述这张图片。"}


def question_of(question: str, language: str | None) -> str:
    """`question`, or one for a description, to be answered in `language` (English name; None: any)."""
    if not question.strip():
        if language in DESCRIBE_IN:
            return DESCRIBE_IN[language]
        question = DESCRIBE
    return f"{question} Answer in {language}." if language else question


class VisionPrompts:
    """The tokenizer of one checkpoint folder. Control tokens in callers' text are escaped.

    Example:
        ids = prompts.ids("Where is it?", num_picture_tokens=16)
        prompts.text(answer_ids)  # "At the top left."
    """

    def __init__(self, folder: Path) -> None:
        description = json.loads((folder / "tokenizer.json").read_bytes())
        self._tokenizer = Tokenizer.from_str(json.dumps(description))
        self._plain = Tokenizer.from_str(json.dumps({**description, "added_tokens": []}))
        self._start, self.end, self.picture = map(self._control, ("<|im_start|>", "<|im_end|>", "<|image_pad|>"))
        self._picture_start, self._picture_end = map(self._control, ("<|vision_start|>", "<|vision_end|>"))

    def ids(self, question: str, num_picture_tokens: int) -> list[int]:
        """The prompt, with `picture` at the picture's positions."""
        picture = [self._picture_start, *[self.picture] * num_picture_tokens, self._picture_end]
        user = [self._start, *self.words("user\n"), *picture, *self.words(question), self.end]
        return [*user, *self.words("\n"), self._start, *self.words("assistant\n")]

    def text(self, ids: Sequence[int]) -> str:
        """The text of `ids` without control tokens; half a character at the end is U+FFFD."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text.strip()

    def words(self, text: str) -> list[int]:
        """The ids of `text`, never those of control tokens."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def _control(self, token: str) -> int:
        found: int | None = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the checkpoint's tokenizer has no token {token!r}")
        return found
