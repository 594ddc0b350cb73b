"""A reply as it is spoken: which of its pieces were heard.

A listener is taken to play each sound as soon as it comes, from the first one on. So an interrupted reply was heard up
to the moment of the interruption at most, and never further than its sound was delivered; whoever plays it knows
better, and may say so (`played_s`). Pieces of text count as said when all of their sound was heard.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]
FRAME_S = 0.08  # a piece that was heard but for less than this was heard


@dataclass
class _Piece:
    """`end_s`: where its sound ends within the reply; None: not all of it was delivered."""

    text: str
    end_s: float | None = None


class SpokenReply:
    """What is said in one reply, piece by piece, and when.

    Example:
        reply.begin("Good morning,")
        reply.deliver(0.4)
        reply.complete()
        reply.spoken()  # "Good morning,"
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._pieces: list[_Piece] = []
        self._first_s: float | None = None
        self._heard_s: float | None = None
        self.audio_s = 0.0
        self.dry_s = 0.0

    def begin(self, text: str) -> None:
        """The next piece; its sound follows."""
        self._pieces.append(_Piece(text))

    def deliver(self, audio_s: float) -> None:
        """So much more of the running piece's sound has gone to the listener."""
        now_s = self._clock()
        self._first_s = now_s if self._first_s is None else self._first_s
        self.dry_s = max(self.dry_s, now_s - self._first_s - self.audio_s)
        self.audio_s += audio_s

    def complete(self) -> None:
        """All of the running piece's sound has gone to the listener."""
        self._pieces[-1].end_s = self.audio_s

    def interrupt(self) -> None:
        """Nobody listens from now on."""
        if self._heard_s is None:
            elapsed_s = 0.0 if self._first_s is None else self._clock() - self._first_s
            self._heard_s = min(self.audio_s, elapsed_s)

    def spoken(self, played_s: float | None = None) -> str:
        """The text that was heard; `played_s`: how much of the sound was played, where that is known."""
        heard_s = self._heard_s if played_s is None else played_s
        said = []
        for piece in self._pieces:
            if piece.end_s is None or (heard_s is not None and piece.end_s > heard_s + FRAME_S):
                break
            said.append(piece.text)
        return "".join(said).strip()
