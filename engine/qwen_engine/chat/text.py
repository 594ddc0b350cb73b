"""From tokens to text, as it may be shown: whole characters only, nothing of a stop word, thinking told apart."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qwen_engine.chat.tokens import ChatTokens

Kind = Literal["text", "thinking"]


@dataclass(frozen=True)
class Delta:
    """The next piece of what the model writes."""

    kind: Kind
    text: str


class StopWords:
    """Holds back what may be the beginning of a stop word, until it is one or is not.

    Of several the one counts that is complete first, so the result does not depend on how the text is cut.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._held = ""
        self.found = False

    def pass_on(self, text: str) -> str:
        """What of the text so far may be shown now; nothing that follows a stop word."""
        if self.found:
            return ""
        self._held += text
        ends = [(at + len(word), at) for word in self._words if (at := self._held.find(word)) >= 0]
        if ends:
            self.found = True
            return self._release(min(ends)[1])
        longest = max((self._beginning(word) for word in self._words), default=0)
        return self._release(len(self._held) - longest)

    def rest(self) -> str:
        """What was held back, once the text has ended."""
        return "" if self.found else self._release(len(self._held))

    def _beginning(self, word: str) -> int:
        """How many characters at the end of what is held may begin `word`."""
        most = min(len(word) - 1, len(self._held))
        return next((length for length in range(most, 0, -1) if self._held.endswith(word[:length])), 0)

    def _release(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
        return shown


class Characters:
    """Bytes in, whole characters out. Bytes that are no UTF-8 become U+FFFD; half a character at the end is dropped."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, fresh: bytes) -> str:
        return self._decoder.decode(fresh)


class Writing:
    """What one request's tokens say.

    `thinking`: the answer begins inside the model's thinking; None: nothing is told apart, marks of thinking are text.
    Line breaks around thinking belong to neither part.
    """

    def __init__(self, tokens: ChatTokens, stop: Sequence[str], thinking: bool | None) -> None:
        self._tokens = tokens
        self._apart = thinking is not None
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
        """What may be shown after `token`."""
        if self._turns(token):
            return None
        text = self._trimmed(self._characters.add(self._tokens.bytes_of(token)))
        self._answered |= bool(text) and not self._thinking
        return _delta("thinking", text) if self._thinking else _delta("text", self._stop_words.pass_on(text))

    def rest(self) -> Delta | None:
        """What was held back, once the last token has come."""
        return None if self._thinking else _delta("text", self._stop_words.rest())

    def _turns(self, token: int) -> bool:
        """Whether `token` begins the thinking, before any answer, or ends it."""
        begins = token == self._tokens.think and not self._thinking and not self._answered
        ends = token == self._tokens.end_of_think and self._thinking
        if not self._apart or not (begins or ends):
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
        kept = text.rstrip("\n")
        self._breaks = text[len(kept) :]
        return kept


def _delta(kind: Kind, text: str) -> Delta | None:
    return Delta(kind, text) if text else None
