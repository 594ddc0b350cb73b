"""From tokens to text to stream: whole characters only, no part of a stop word, thinking separated from the answer."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qwen_engine.chat.tokens import ChatTokens

Kind = Literal["text", "thinking"]


@dataclass(frozen=True)
class Delta:
    """The next piece of the output, and how many tokens are new since the last one."""

    kind: Kind
    text: str
    num_tokens: int = 0


class StopWords:
    """Holds back what may be the beginning of a stop word, until it is one or is not.

    Of several the first one that is complete counts, so the result does not depend on how the text is cut.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = [_Matcher(word) for word in words]
        self._held = ""
        self.found = False

    def feed(self, text: str) -> str:
        """The part of the text so far that may be shown now, up to a stop word."""
        if self.found:
            return ""
        start = len(self._held)
        self._held += text
        for end, character in enumerate(text, start + 1):
            complete = [word.length for word in self._words if word.take(character)]
            if complete:
                self.found = True
                return self._release(end - max(complete))
        return self._release(len(self._held) - max((word.matched for word in self._words), default=0))

    def flush(self) -> str:
        """The text held back, once the stream has ended."""
        return "" if self.found else self._release(len(self._held))

    def _release(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
        return shown


class _Matcher:
    """Knuth-Morris-Pratt search for one word in a stream: the text so far ends with the word's first `matched`
    characters."""

    def __init__(self, word: str) -> None:
        self._word = word
        self.length = len(word)
        self.matched = 0
        self._fallbacks = [0]  # by length of a prefix: that of its longest proper suffix that is a prefix, too
        for character in word[1:]:
            self._fallbacks.append(self._extended(self._fallbacks[-1], character))

    def take(self, character: str) -> bool:
        """Add a character; whether it completes the word."""
        self.matched = self._extended(self.matched, character)
        return self.matched == self.length

    def _extended(self, matched: int, character: str) -> int:
        while matched and self._word[matched] != character:
            matched = self._fallbacks[matched - 1]
        return matched + (self._word[matched] == character)


class Characters:
    """Bytes in, whole characters out. Bytes that are no UTF-8 become U+FFFD; half a character at the end is dropped."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, fresh: bytes) -> str:
        return self._decoder.decode(fresh)


class Detokenizer:
    """Text and thinking of one request's tokens.

    `thinking`: the answer begins inside the model's thinking; None: they are not separated, marks of thinking are text.
    Line breaks around thinking belong to neither part.
    """

    def __init__(self, tokens: ChatTokens, stop: Sequence[str], thinking: bool | None) -> None:
        self._tokens = tokens
        self._splits_thinking = thinking is not None
        self._thinking = bool(thinking)
        self._begins = self._thinking
        self._answered = False
        self._breaks = ""
        self._characters = Characters()
        self._stop_words = StopWords(stop)

    @property
    def answering(self) -> bool:
        """Whether the next token belongs to the answer."""
        return not self._thinking

    @property
    def stopped(self) -> bool:
        """Whether a stop word has ended the answer."""
        return self._stop_words.found

    def add(self, token: int) -> Delta | None:
        """The text that may be shown after `token`."""
        if self._switches(token):
            return None
        text = self._trimmed(self._characters.add(self._tokens.bytes_of(token)))
        self._answered |= bool(text) and not self._thinking
        return _delta("thinking", text) if self._thinking else _delta("text", self._stop_words.feed(text))

    def flush(self) -> Delta | None:
        """The text held back, after the last token."""
        return None if self._thinking else _delta("text", self._stop_words.flush())

    def _switches(self, token: int) -> bool:
        """Whether `token` begins the thinking, before any answer, or ends it."""
        begins = token == self._tokens.think and not self._thinking and not self._answered
        ends = token == self._tokens.end_of_think and self._thinking
        if not self._splits_thinking or not (begins or ends):
            return False
        self._thinking, self._begins, self._breaks = begins, True, ""
        self._characters = Characters()
        return True

    def _trimmed(self, text: str) -> str:
        """`text` without line breaks at the beginning of a part, and at the end of thinking."""
        if self._begins:
            text = text.lstrip("\n")
            self._begins = not text
        if not self._thinking:
            return text
        text = self._breaks + text
        stripped = text.rstrip("\n")
        self._breaks = text[len(stripped) :]
        return stripped


def _delta(kind: Kind, text: str) -> Delta | None:
    return Delta(kind, text) if text else None
