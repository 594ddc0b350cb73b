"""The text of one utterance, piece by piece; it may still be arriving."""

import time
from collections import deque

from qwen_engine.text.sentences import (
    MIN_CLAUSE_WEIGHT,
    clause_ends,
    head_end,
    last_sentence,
    pieces,
    pronounceable,
    speaking_weight,
)


class Text:
    """Yields whole sentences as they arrive, and the first clause at once, so that speech begins before the text ends.

    A sentence longer than a piece is cut before its end, so the text that waits is always short.

    Example:
        text = Text("Good morning, everyone. We", max_weight=300, complete=False)
        text.next()  # "Good morning,"
        text.add(" start now.", complete=True)
        text.next()  # "everyone. We start now."
        text.next(), text.ended  # None, True
    """

    def __init__(self, text: str, *, max_weight: float, complete: bool) -> None:
        self._max_weight = max_weight
        self._ready: deque[str] = deque()
        self._rest = ""
        self._begun = False
        self.num_chars = 0
        self.complete = False
        self.grew_s = time.monotonic()
        self.add(text, complete=complete)

    @property
    def ended(self) -> bool:
        """No piece is left and none will follow."""
        return self.complete and not self._ready

    def add(self, text: str, *, complete: bool) -> None:
        """Append text; `complete` ends it."""
        self._rest += text
        self.num_chars += len(text)
        self.grew_s = time.monotonic()
        if complete:
            whole, self._rest = self._rest, ""
        else:
            whole, self._rest = self._split()
        if pronounceable(whole):
            self._ready += pieces(whole, self._max_weight)
            self._begun = True
        self.complete = complete  # last: another thread may look whether it has `ended`

    def next(self) -> str | None:
        """The next piece; None where none is whole yet."""
        return self._ready.popleft() if self._ready else None

    def _split(self) -> tuple[str, str]:
        """The text that can be spoken now, and the rest: the last sentence may still go on."""
        start = last_sentence(self._rest)
        while (end := head_end(self._rest, start, self._max_weight)) < len(self._rest):
            start = end
        whole, rest = self._rest[:start], self._rest[start:]
        if self._begun or pronounceable(whole):
            return whole, rest
        end = next((end for end in clause_ends(rest) if speaking_weight(rest[:end]) >= MIN_CLAUSE_WEIGHT), 0)
        return rest[:end], rest[end:]
