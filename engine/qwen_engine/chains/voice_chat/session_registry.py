"""The conversations that are open."""

import time
from collections.abc import Sequence
from functools import partial

from qwen_engine.chains.voice_chat.session import Message, Session
from qwen_engine.chains.voice_chat.spoken_reply import Clock
from qwen_engine.registry import Registry
from qwen_engine.settings import VoiceChatSettings


class SessionRegistry:
    """The conversations that are open, each tenant's by name; one without a turn for `idle_timeout_s` is forgotten.

    Each begins with `messages`, such as an instruction to the model, and keeps its last `settings.max_turns`.
    """

    def __init__(self, messages: Sequence[Message], settings: VoiceChatSettings, clock: Clock = time.monotonic) -> None:
        self._new = partial(Session, messages, max_turns=settings.max_turns, clock=clock)
        self._idle_timeout_s = settings.idle_timeout_s
        self._open: Registry[Session] = Registry("conversation", limit=settings.max_sessions, tenants=settings.tenants)

    def __len__(self) -> int:
        return len(self._open)

    def single(self) -> Session:
        """A conversation of a single turn, which nobody comes back to."""
        return self._new()

    def begin(self, tenant: str, name: str) -> tuple[Session, str]:
        """A new conversation, and the token that `find` will ask for.

        Raises:
            InvalidRequest: the tenant has one of this name.
            Unavailable: it would be one too many.
        """
        self._forget_idle()
        session = self._new()
        return session, self._open.open(tenant, name, session)

    def find(self, tenant: str, name: str, token: str | None) -> Session:
        """A conversation to go on with. Raises `InvalidRequest` where it did not begin with this `token`."""
        self._forget_idle()
        return self._open.get(tenant, name, token)

    def forget(self, tenant: str, name: str, session: Session) -> None:
        """The conversation is over."""
        self._open.close(tenant, name, session)

    def _forget_idle(self) -> None:
        for tenant, name, session in self._open:
            if session.idle_s > self._idle_timeout_s:
                self._open.close(tenant, name, session)
