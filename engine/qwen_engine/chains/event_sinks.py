"""How a chain's events reach its caller: one by one, or gathered into its end."""

import base64
from dataclasses import replace
from typing import Any, Protocol

from qwen_engine.chains.events import Emit, End
from qwen_wire.chains import SessionStarted, SpeechProgress, Stage, StageResult
from qwen_wire.options import StreamOptions


class EventSink(Protocol):
    """Takes the events of one run, with raw payloads, and its end."""

    async def emit(self, event: Stage) -> None: ...

    def end(self, end: End) -> End:
        """The end as it is to be told."""
        ...


def teller(emit: Emit, options: StreamOptions) -> EventSink:
    """For a request with these options; `emit` sends one event."""
    return StreamingSink(emit, options) if options.stream else CollectingSink(options)


class StreamingSink:
    """Each event is sent at once, its payload as the request wants it."""

    def __init__(self, emit: Emit, options: StreamOptions) -> None:
        self._emit = emit
        self._options = options

    async def emit(self, event: Stage) -> None:
        await self._emit(replace(event, payload=self._options.encode(event.payload)))

    def end(self, end: End) -> End:
        return end


class CollectingSink:
    """Nothing is sent before the end: that has all results, the token of a new conversation, and all sound as payload.

    Files among the results are base64, as they are in JSON.
    """

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._results: list[dict[str, Any]] = []
        self._sound: list[bytes] = []
        self._told: dict[str, Any] = {}

    async def emit(self, event: Stage) -> None:
        match event:
            case StageResult():
                self._results.append(_result(event))
            case SpeechProgress():
                self._sound.append(event.payload)
                self._told["sample_rate_hz"] = (event.event or {})["sample_rate_hz"]
            case SessionStarted():
                self._told |= {"session": event.session, "token": event.token}

    def end(self, end: End) -> End:
        details = {**end.details, **self._told, "results": self._results}
        return replace(end, details=details, payload=self._options.encode(b"".join(self._sound)))


def _result(event: StageResult) -> dict[str, Any]:
    told = {name: one for name, one in event.to_dict().items() if name not in ("type", "time_s")}
    return {**told, "payload": base64.b64encode(event.payload).decode()} if event.payload else told
