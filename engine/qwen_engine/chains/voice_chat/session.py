"""Conversations: what has been said in each of them, and of the replies as much as was heard."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qwen_engine.chains.voice_chat.spoken_reply import Clock, SpokenReply

Message = dict[str, str]


@dataclass(eq=False)
class Turn:
    """One utterance and what is said in reply; `stop` ends what is still being done for it."""

    reply: SpokenReply = field(default_factory=SpokenReply)
    heard: str = ""
    stop: Callable[[], object] = lambda: None
    was_interrupted: bool = False
    has_failed: bool = False

    def interrupt(self) -> None:
        """Another utterance has come."""
        self.was_interrupted = True
        self.reply.interrupt()
        self.stop()


class Session:
    """One conversation: its `messages` so far, the last turn's not among them."""

    def __init__(self, messages: Sequence[Message], *, max_turns: int, clock: Clock = time.monotonic) -> None:
        self._messages = list(messages)
        self._max_turns = max_turns
        self._clock = clock
        self._turn: Turn | None = None
        self._is_running = False
        self._used_s = clock()

    @property
    def idle_s(self) -> float:
        """How long it is since something was said."""
        return 0.0 if self._is_running else self._clock() - self._used_s

    def open_with(self, messages: Sequence[Message]) -> None:
        """What was said before the first turn; an instruction to the model takes the place of the usual one."""
        begins_with_instruction = bool(messages) and messages[0]["role"] == "system"
        self._messages = [*([] if begins_with_instruction else self._messages), *messages]

    def begin(self, turn: Turn, played_s: float | None = None) -> None:
        """The next turn: a running one is interrupted. `played_s`: how much of the last reply was played, if known."""
        if self._turn is not None:
            if self._is_running:
                self._turn.interrupt()
            self._messages = self._with(self._turn, played_s)
        self._turn, self._is_running = turn, True

    def end(self, turn: Turn) -> bool:
        """All that was to be done for `turn` is done; False where another turn has begun meanwhile."""
        if self._turn is not turn:
            return False
        self._is_running, self._used_s = False, self._clock()
        return True

    def history(self) -> list[Message]:
        """What was said, the last turn included, as far as it was heard."""
        return self._messages if self._turn is None else self._with(self._turn, None)

    def prompt(self, heard: str) -> list[Message]:
        """The chat to reply to `heard`."""
        return _joined(self._messages, {"role": "user", "content": heard})

    def _with(self, turn: Turn, played_s: float | None) -> list[Message]:
        spoken = turn.reply.spoken(played_s)
        if not turn.heard or (turn.has_failed and not spoken):  # it will be said again
            return self._messages
        messages = _joined(self._messages, {"role": "user", "content": turn.heard})
        if spoken:
            messages.append({"role": "assistant", "content": spoken})
        return self._newest(messages)

    def _newest(self, messages: list[Message]) -> list[Message]:
        """The last turns; an instruction to the model stays."""
        instructions = [message for message in messages if message["role"] == "system"]
        said = [message for message in messages if message["role"] != "system"][-2 * self._max_turns :]
        while said and said[0]["role"] != "user":
            said.pop(0)
        return instructions + said


def _joined(messages: Sequence[Message], message: Message) -> list[Message]:
    """`messages` with one more; what follows an utterance without reply is a part of that utterance."""
    if messages and messages[-1]["role"] == message["role"]:
        content = f"{messages[-1]['content']} {message['content']}"
        return [*messages[:-1], {**message, "content": content}]
    return [*messages, message]
