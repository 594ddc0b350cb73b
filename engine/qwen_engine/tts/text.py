"""The text of one utterance, piece by piece; it may still be arriving."""

import time
from collections import deque

from qwen_engine.tts.sentences import CLAUSE_END, pieces, pronounceable, sentences, speaking_weight

FIRST_CLAUSE_WEIGHT = 12.0  # letters that are worth speaking before their sentence is whole


class Text:
    """Gives whole sentences as they come, and the first clause at once, so that speech begins before the text ends.

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
        self.complete = False
        self.grew_s = time.monotonic()
        self.add(text, complete=complete)

    @property
    def ended(self) -> bool:
        """Nothing is left and nothing will follow."""
        return self.complete and not self._ready

    def add(self, text: str, *, complete: bool) -> None:
        """More of the text; `complete` where this is its end."""
        self._rest += text
        self.complete = complete
        self.grew_s = time.monotonic()
        if complete:
            whole, self._rest = self._rest, ""
        else:
            whole, self._rest = self._split()
        if pronounceable(whole):
            self._ready += pieces(whole, self._max_weight)
            self._begun = True

    def next(self) -> str | None:
        """The next piece; None where none is whole yet."""
        return self._ready.popleft() if self._ready else None

    def _split(self) -> tuple[str, str]:
        """What can be spoken now, and what has to wait for more: the last sentence may still go on."""
        found = sentences(self._rest)
        if len(found) > 1:
            start = self._rest.rindex(found[-1])
            return self._rest[:start], self._rest[start:]
        if self._begun:
            return "", self._rest
        clause, *others = CLAUSE_END.split(self._rest, maxsplit=1)
        if others and speaking_weight(clause) >= FIRST_CLAUSE_WEIGHT:
            return clause, others[0]
        return "", self._rest
