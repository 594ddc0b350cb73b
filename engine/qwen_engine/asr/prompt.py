"""The prompt around the audio, as in the official template, and the parser of the answer.

    <|im_start|>system\\n CONTEXT <|im_end|>\\n<|im_start|>user\\n<|audio_start|> AUDIO <|audio_end|><|im_end|>\\n
    <|im_start|>assistant\\n [language NAME<asr_text>] [answer so far]

The answer is "language NAME<asr_text>TEXT"; with NAME forced it is TEXT.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qwen_engine.prompt_tokenizer import PromptTokenizer

NO_LANGUAGE = "none"
LANGUAGE_PREFIX = "language "
# Any beginning of "language NAME", as far as half a character of it.
CUT_PREFIX = re.compile(r"(l(a(n(g(u(a(ge?)?)?)?)?)?)?)?|language\s+\S*", re.IGNORECASE)


@dataclass(frozen=True)
class Prompt:
    """Token ids before and after the audio."""

    before: Sequence[int]
    after: Sequence[int]


class AsrPrompts:
    """The prompts of one checkpoint folder.

    Example:
        prompt = prompts.build(context="Anna, Grace", language="English")
        prompts.parse(answer_ids)  # ("English", "Send it to Grace.")
    """

    def __init__(self, folder: Path) -> None:
        self.tokenizer = PromptTokenizer(folder)
        control = self.tokenizer.control
        self._start, self._end, self._text = map(control, ("<|im_start|>", "<|im_end|>", "<asr_text>"))
        self._audio_start, self._audio_end = map(control, ("<|audio_start|>", "<|audio_end|>"))

    def build(self, *, context: str = "", language: str | None = None, prefix: Sequence[int] = ()) -> Prompt:
        """`language`: English name to force, or None; `prefix`: ids of an answer to go on with."""
        ids, newline = self.tokenizer.encode, self.tokenizer.encode("\n")
        system = [self._start, *ids(f"system\n{context}"), self._end, *newline]
        user = [self._start, *ids("user\n"), self._audio_start]
        asked = [self._audio_end, self._end, *newline, self._start]
        forced = [*ids(f"assistant\n{LANGUAGE_PREFIX}{language}"), self._text] if language else ids("assistant\n")
        return Prompt([*system, *user], [*asked, *forced, *prefix])

    def parse(self, answer: Sequence[int], *, forced: bool = False) -> tuple[str | None, str]:
        """Language (English name; None: none named) and text of an answer, which may have been cut anywhere.

        `forced`: the language was, so the answer begins with the text.
        """
        answer, decode = list(answer), self.tokenizer.decode
        if self._text not in answer:
            text = decode(answer).strip()
            return None, "" if not forced and CUT_PREFIX.fullmatch(text) else text
        cut = answer.index(self._text)
        return _language(decode(answer[:cut])), decode(answer[cut + 1 :]).strip()


def _language(header: str) -> str | None:
    """The name in "language NAME", from the first line that is not blank.

    As `_parse_single_output` of transformers' `models/qwen3_asr/processing_qwen3_asr.py`.
    """
    lines = [line.strip() for line in header.splitlines() if line.strip()]
    if not lines:
        return None
    name = lines[0]
    if name.lower().startswith(LANGUAGE_PREFIX):
        name = name[len(LANGUAGE_PREFIX) :].strip()
    return None if name.lower() in ("", NO_LANGUAGE) else name
