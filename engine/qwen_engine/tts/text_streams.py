"""Text streams: texts that arrive while they are synthesised."""

import threading
from dataclasses import dataclass

from qwen_engine.registry import Registry
from qwen_engine.session import Session
from qwen_engine.tts.request import Speak
from qwen_engine.tts.settings import TtsSettings
from qwen_engine.tts.text import Text
from qwen_wire.errors import InvalidRequest
from qwen_wire.speech import TextStreamOpened


@dataclass(frozen=True, eq=False)
class _TextStream:
    session: Session[Speak]
    text: Text


class TextStreams:
    """A stream is open from the acceptance of its request, before it has a place, until that request has ended.

    `open` and `add` are called in the threads that have requests, the rest in the device thread.
    """

    def __init__(self, settings: TtsSettings) -> None:
        self._max_weight = settings.max_piece_chars
        self._max_chars = settings.max_stream_chars
        self._adding = threading.Lock()
        self._open: Registry[_TextStream] = Registry("text stream", limit=settings.max_batch, tenants=settings.tenants)

    def open(self, session: Session[Speak], request: Speak) -> None:
        """Open a stream and emit its token. Raises a `QwenError` where the name is taken or there is no room."""
        self.forget_ended()
        stream = _TextStream(session, Text(request.text, max_weight=self._max_weight, complete=False))
        assert request.text_stream is not None
        token = self._open.open(request.tenant, request.text_stream, stream)
        session.emit(TextStreamOpened(text_stream=request.text_stream, token=token))

    def text(self, session: Session[Speak], request: Speak) -> Text:
        """The text of a request; with a text stream, more of it may follow."""
        streamed = [stream.text for _, _, stream in self._open if stream.session is session]
        return streamed[0] if streamed else Text(request.text, max_weight=self._max_weight, complete=True)

    def add(self, tenant: str, name: str, token: str | None, more: str, *, complete: bool) -> None:
        """Raises `InvalidRequest` where the stream is not open, not by this token, or has enough text."""
        self.forget_ended()
        text = self._open.get(tenant, name, token).text
        with self._adding:
            if text.complete:
                raise InvalidRequest(f"OPTIONS.text_stream is {name!r}: its text is complete, or its speech has ended")
            if (num_chars := text.num_chars + len(more)) > self._max_chars:
                raise InvalidRequest(
                    f"with TEXT the stream would have {num_chars} characters; the limit is {self._max_chars}"
                )
            text.add(more, complete=complete)

    def forget_ended(self) -> None:
        """Close the streams of ended requests."""
        for tenant, name, stream in self._open:
            if stream.session.ended:
                self._open.close(tenant, name, stream)
