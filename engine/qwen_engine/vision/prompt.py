"""The prompt around a picture, as in the official template.

<|im_start|>user\\n<|vision_start|> PICTURE <|vision_end|>QUESTION<|im_end|>\\n<|im_start|>assistant\\n
"""

from collections.abc import Sequence
from pathlib import Path

from qwen_engine.prompt_tokenizer import PromptTokenizer

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
        ids = prompts.ids("Where is it?", num_picture_tokens=16)
        prompts.text(answer_ids)  # "At the top left."
    """

    def __init__(self, folder: Path) -> None:
        self.tokenizer = PromptTokenizer(folder)
        control = self.tokenizer.control
        self._start, self.end, self.picture = map(control, ("<|im_start|>", "<|im_end|>", "<|image_pad|>"))
        self._picture_start, self._picture_end = map(control, ("<|vision_start|>", "<|vision_end|>"))

    def ids(self, question: str, num_picture_tokens: int) -> list[int]:
        """The prompt, with `picture` at the picture's positions."""
        encode = self.tokenizer.encode
        picture = [self._picture_start, *[self.picture] * num_picture_tokens, self._picture_end]
        user = [self._start, *encode("user\n"), *picture, *encode(question), self.end]
        return [*user, *encode("\n"), self._start, *encode("assistant\n")]

    def text(self, ids: Sequence[int]) -> str:
        """The text of an answer."""
        return self.tokenizer.decode(ids).strip()
