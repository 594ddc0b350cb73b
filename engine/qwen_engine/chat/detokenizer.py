"""From tokens to text, as it may be shown: whole characters only, nothing of a stop word, thinking told apart."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qwen_engine.chat.tokens import ChatTokens

Kind = Literal["text", "thinking"]


@dataclass(frozen=True)
class Delta:
    """The next piece of what the model writes, and how many tokens it has written since the last one."""

    kind: Kind
    text: str
    num_tokens: int = 0


class StopWords:
    """Holds back what may be the beginning of a stop word, until it is one or is not.

    Of several the one counts that is complete first, so the result does not depend on how the text is cut.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = [_Word(word) for word in words]
        self._held = ""
        self.found = False

    def pass_on(self, text: str) -> str:
        """What of the text so far may be shown now; nothing that follows a stop word."""
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

    def rest(self) -> str:
        """What was held back, once the text has ended."""
        return "" if self.found else self._release(len(self._held))

    def _release(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
        return shown


class _Word:
    """Finds one word character by character, each looked at about once (Knuth, Morris, Pratt): `matched` characters at
    the end of the text so far begin it."""

    def __init__(self, word: str) -> None:
        self._word = word
        self.length = len(word)
        self.matched = 0
        self._shorter = [0]  # by length of a beginning: of the next shorter one that it ends with
        for character in word[1:]:
            self._shorter.append(self._longer(self._shorter[-1], character))

    def take(self, character: str) -> bool:
        """Go on by a character; whether the word is complete with it."""
        self.matched = self._longer(self.matched, character)
        return self.matched == self.length

    def _longer(self, matched: int, character: str) -> int:
        while matched and self._word[matched] != character:
            matched = self._shorter[matched - 1]
        return matched + (self._word[matched] == character)


class Characters:
    """Bytes in, whole characters out. Bytes that are no UTF-8 become U+FFFD; half a character at the end is dropped."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, fresh: bytes) -> str:
        return self._decoder.decode(fresh)


class Detokenizer:
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
