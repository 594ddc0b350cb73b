"""The text of one utterance, piece by piece; it may still be arriving."""

import threading
import time
from collections import deque
from collections.abc import Callable

from qwen_engine.text.sentences import (
    END_MARKS,
    MIN_CLAUSE_WEIGHT,
    clause_ends,
    end_pause_s,
    head_end,
    last_sentence,
    pieces,
    pronounceable,
    speaking_weight,
)


class Text:
    """Yields whole sentences as they arrive, and the first clause at once, so that speech begins before the text ends.

    The last sentence is whole once nothing has followed its end for a moment (`end_pause_s`). A sentence longer than a
    piece is cut before its end, so the text that waits is always short. `add` and `next` may be called by two threads.

    Example:
        text = Text("Good morning, everyone. We", max_weight=300, complete=False)
        text.next()  # "Good morning,"
        text.add(" start now.", complete=True)
        text.next()  # "everyone. We start now."
        text.next(), text.ended  # None, True
    """

    def __init__(
        self, text: str, *, max_weight: float, complete: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_weight = max_weight
        self._clock = clock
        self._changing = threading.Lock()
        self._ready: deque[str] = deque()
        self._rest = ""
        self._whole_s: float | None = None  # when the rest is whole, unless more follows
        self._begun = False
        self.num_chars = 0
        self.complete = False
        self.grew_s = clock()
        self.add(text, complete=complete)

    @property
    def ended(self) -> bool:
        """No piece is left and none will follow."""
        return self.complete and not self._ready

    def add(self, text: str, *, complete: bool) -> None:
        """Append text; `complete` ends it."""
        with self._changing:
            self.num_chars += len(text)
            self.grew_s = self._clock()
            if self._begun and not self._rest:
                text = text.lstrip(END_MARKS)  # of the sentence that was taken for whole
            if text:
                self._rest += text
                pause_s = end_pause_s(self._rest)
                self._whole_s = None if pause_s is None else self.grew_s + pause_s
            is_whole = complete or self._whole_s == self.grew_s
            self._take(len(self._rest) if is_whole else self._num_whole())
            self.complete = complete  # last: another thread may look whether it has `ended`

    def close(self) -> None:
        """Nothing more will be spoken, and no text is taken."""
        with self._changing:
            self._ready.clear()
            self.complete = True

    def next(self) -> str | None:
        """The next piece; None where none is whole yet."""
        with self._changing:
            if not self._ready and self._whole_s is not None and self._clock() >= self._whole_s:
                self._take(len(self._rest))
            return self._ready.popleft() if self._ready else None

    def _take(self, num_chars: int) -> None:
        """So much of the rest can be spoken."""
        whole, self._rest = self._rest[:num_chars], self._rest[num_chars:]
        if pronounceable(whole):
            self._ready += pieces(whole, self._max_weight)
            self._begun = True
        if not self._rest:
            self._whole_s = None

    def _num_whole(self) -> int:
        """How much of the rest can be spoken now: the last sentence may still go on."""
        start = last_sentence(self._rest)
        while (end := head_end(self._rest, start, self._max_weight)) < len(self._rest):
            start = end
        if self._begun or pronounceable(self._rest[:start]):
            return start
        self._rest = rest = self._rest[start:]
        return next((end for end in clause_ends(rest) if speaking_weight(rest[:end]) >= MIN_CLAUSE_WEIGHT), 0)
