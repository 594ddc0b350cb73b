"""How a chain's events reach its caller: one by one, or gathered into its end.

A chain is a coroutine that takes an `Emit` for its events, those of `qwen_wire.chains`, and returns its `ChainEnd`.
"""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from qwen_wire.chains import ChainEnd, CollectedResult, Stage, StageResult
from qwen_wire.options import StreamOptions
from qwen_wire.voice_chat import SessionStarted, SpeechProgress

Emit = Callable[[Stage], Awaitable[None]]
"""Sends an event; returns once it is on its way, so that a chain never runs ahead of its reader."""
EndT = TypeVar("EndT", bound=ChainEnd)


class StreamingSink:
    """Each event is sent at once, its payload as the request wants it."""

    def __init__(self, emit: Emit, options: StreamOptions) -> None:
        self._emit = emit
        self._options = options

    async def emit(self, event: Stage) -> None:
        await self._emit(replace(event, payload=self._options.encode(event.payload)))

    def end(self, end: EndT) -> EndT:
        return end


class CollectingSink:
    """Nothing is sent before the end: that has all results, the token of a new conversation, and all sound as payload.

    Files among the results are base64, as they are in JSON.
    """

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._results: list[CollectedResult] = []
        self._sound: list[bytes] = []
        self._details: dict[str, Any] = {}

    async def emit(self, event: Stage) -> None:
        match event:
            case StageResult():
                self._results.append(_collected(event))
            case SpeechProgress():
                self._sound.append(event.payload)
                self._details["sample_rate_hz"] = (event.event or {})["sample_rate_hz"]
            case SessionStarted():
                self._details |= {"session": event.session, "token": event.token}

    def end(self, end: EndT) -> EndT:
        payload = self._options.encode(b"".join(self._sound))
        return replace(end, **self._details | {"results": tuple(self._results), "payload": payload})


EventSink = StreamingSink | CollectingSink


def event_sink(emit: Emit, options: StreamOptions) -> EventSink:
    """Takes the events of one run, with raw payloads, and its end; `emit` sends one event."""
    return StreamingSink(emit, options) if options.stream else CollectingSink(options)


def _collected(result: StageResult) -> CollectedResult:
    file = base64.b64encode(result.payload).decode()
    return CollectedResult(stage=result.stage, item=result.item, output=result.output, value=result.value, payload=file)
