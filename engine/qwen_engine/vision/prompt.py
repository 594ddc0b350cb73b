"""The prompt around pictures, as in the official template.

<|im_start|>user\\n<|vision_start|> PICTURE <|vision_end|>QUESTION<|im_end|>\\n<|im_start|>assistant\\n
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from qwen_engine.prompt_tokenizer import PromptTokenizer

PromptTurn: TypeAlias = tuple[str, Sequence[str | int]]
"""A role, and texts and pictures in order: of a picture, the number of its tokens."""

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
    """The prompts of one checkpoint folder.

    Example:
        ids = prompts.ids([("user", [16, "Where is it?"])])
        prompts.text(answer_ids)  # "At the top left."
    """

    def __init__(self, folder: Path) -> None:
        self.tokenizer = PromptTokenizer(folder)
        control = self.tokenizer.control
        self._start, self.end, self.picture = map(control, ("<|im_start|>", "<|im_end|>", "<|image_pad|>"))
        self._picture_start, self._picture_end = map(control, ("<|vision_start|>", "<|vision_end|>"))

    def ids(self, turns: Sequence[PromptTurn]) -> list[int]:
        """The prompt, with `picture` at the pictures' positions."""
        encode = self.tokenizer.encode
        said = [token for turn in turns for token in (self._start, *self._turn(turn), self.end, *encode("\n"))]
        return [*said, self._start, *encode("assistant\n")]

    def _turn(self, turn: PromptTurn) -> Iterator[int]:
        """Texts that stand together are one to the tokenizer, as in the official template."""
        role, parts = turn
        text = f"{role}\n"
        for part in parts:
            if isinstance(part, str):
                text += part
                continue
            yield from self.tokenizer.encode(text)
            yield from (self._picture_start, *[self.picture] * part, self._picture_end)
            text = ""
        yield from self.tokenizer.encode(text)

    def text(self, ids: Sequence[int]) -> str:
        """The text of an answer."""
        return self.tokenizer.decode(ids).strip()
