"""The responses of one call: the progress they show, and the outputs that they make together."""

import io
import json
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic_core import from_json

from qwen_engine.chains.child_errors import child_error
from qwen_engine.chains.workflow.signatures import KINDS, Signature
from qwen_wire.errors import Cancelled, InvalidRequest
from qwen_wire.json_text import read_json
from qwen_wire.workflows import ResultKey, place_key

Response = Mapping[str, bytes]
NodeOutputs = dict[str, Any]
"""By name: text, JSON, the bytes of a file, or a list of these."""

NO_RESULTS = ("queued", "progress", "thinking")  # events whose payload is a preview, or not what was asked for
PCM_BYTES = 2
PARSES_PER_DOUBLING = 100  # of an answer's length


@dataclass(frozen=True)
class Progress:
    """What a call shows while it runs: the model's own `event`, and a piece or preview of an `output`."""

    event: Mapping[str, Any]
    output: str | None = None
    payload: bytes = b""


class ResponseCollector(Protocol):
    """The responses of one call, in order."""

    def take(self, response: Response) -> Progress | None: ...

    def partial(self) -> NodeOutputs:
        """Before the last response: those lists that already have items."""
        ...

    def outputs(self) -> NodeOutputs:
        """After the last response."""
        ...


def collector_for(signature: Signature, options: Mapping[str, Any]) -> ResponseCollector:
    """For a call of a model with this signature and these OPTIONS."""
    match signature.form:
        case "unary":
            return UnaryCollector()
        case "stream":
            return StreamCollector()
        case "chat":
            return ChatCollector(wants_json="json_schema" in options)
        case "chain":
            return ChainCollector()


class _WholeCollector:
    """Nothing is of use before the last response."""

    def partial(self) -> NodeOutputs:
        return {}


class UnaryCollector(_WholeCollector):
    def __init__(self) -> None:
        self._outputs: NodeOutputs = {}

    def take(self, response: Response) -> Progress | None:
        self._outputs = {name: _read(name, payload) for name, payload in response.items()}
        return None

    def outputs(self) -> NodeOutputs:
        return self._outputs


class StreamCollector(_WholeCollector):
    """A file or text of its own with each event that is a result; the pieces of AUDIO make one file."""

    def __init__(self) -> None:
        self._found: dict[str, list[bytes]] = {}
        self._sample_rate_hz = 0
        self._end: Mapping[str, Any] = {}

    def take(self, response: Response) -> Progress | None:
        event = json.loads(response["EVENT"])
        if event["type"] == "end":
            self._end = _completed(event)
            return None
        self._sample_rate_hz = event.get("sample_rate_hz", self._sample_rate_hz)
        payloads = {name: payload for name, payload in response.items() if name != "EVENT" and payload}
        is_result = event["type"] not in NO_RESULTS
        if is_result:
            for name, payload in payloads.items():
                self._found.setdefault(name, []).append(payload)
        for name, payload in payloads.items():
            if name == "AUDIO" or not is_result:
                return Progress(event, name, payload)
        return Progress(event)

    def outputs(self) -> NodeOutputs:
        made: NodeOutputs = {"EVENT": self._end}
        for name, payloads in self._found.items():
            if name == "AUDIO":
                made[name] = wav(b"".join(payloads), self._sample_rate_hz)
            else:
                read = [_read(name, payload) for payload in payloads]
                made[name] = read[0] if len(read) == 1 else read
        return made


class ChatCollector:
    def __init__(self, *, wants_json: bool) -> None:
        self._wants_json = wants_json
        self._pieces: list[bytes] = []
        self._num_bytes = 0
        self._next_parse_bytes = 1
        self._seen: NodeOutputs = {}
        self._end: Mapping[str, Any] = {}

    def take(self, response: Response) -> Progress | None:
        event, piece = json.loads(response["EVENT"]), response["text_output"]
        if event["type"] not in NO_RESULTS:
            self._pieces.append(piece)
            self._num_bytes += len(piece)
        if event["type"] == "end":
            self._end = _completed(event)
            return None
        return Progress(event, "text", piece)

    def partial(self) -> NodeOutputs:
        """What is there is read from its beginning each time, so a long answer is parsed now and then only."""
        if self._wants_json and self._num_bytes >= self._next_parse_bytes:
            self._next_parse_bytes = self._num_bytes + max(1, self._num_bytes // PARSES_PER_DOUBLING)
            self._seen = self._begun()
        return self._seen

    def _begun(self) -> NodeOutputs:
        begun = b"".join(self._pieces)
        if not begun.strip():
            return {}
        try:
            return {"json": _without_growing_item(from_json(begun, allow_partial=True))}
        except ValueError:
            return {}  # no JSON, which the end will tell

    def outputs(self) -> NodeOutputs:
        text = b"".join(self._pieces).decode()
        made: NodeOutputs = {"text": text, "EVENT": self._end}
        return {**made, "json": self._parsed(text)} if self._wants_json else made

    def _parsed(self, text: str) -> Any:
        try:
            return read_json(text, "the answer")
        except InvalidRequest:
            reason = self._end.get("finish_reason")
            hint = "; it was cut: allow more max_tokens" if reason == "length" else ""
            raise InvalidRequest(f"the answer is not JSON{hint}") from None


class ChainCollector(_WholeCollector):
    """Its events are passed on as they are; its outputs are those that its end tells."""

    def __init__(self) -> None:
        self._files: dict[ResultKey, bytes] = {}
        self._outputs: NodeOutputs = {}

    def take(self, response: Response) -> Progress | None:
        event, payload = json.loads(response["EVENT"]), response["PAYLOAD"]
        if event["type"] == "end":
            self._outputs = {name: self._filled(value) for name, value in _chain_end(event).get("outputs", {}).items()}
            return None
        if event["type"] == "stage_result" and payload:
            self._files[event["stage"], event["output"], event.get("item")] = payload
        return Progress(event, event.get("output"), payload)

    def outputs(self) -> NodeOutputs:
        return self._outputs

    def _filled(self, value: Any) -> Any:
        """With its files, as far as they are results of the node: alone, or in a list."""
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        key = place_key(value)
        return value if key is None else self._files[key]


def wav(pcm: bytes, sample_rate_hz: int) -> bytes:
    """A file of little-endian 16-bit mono samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(PCM_BYTES)
        writer.setframerate(sample_rate_hz)
        writer.writeframes(pcm)
    return file.getvalue()


def _without_growing_item(begun: Any) -> Any:
    """Of JSON that has only begun, without the list item that may still grow; a text is there whole or not at all."""
    if isinstance(begun, dict) and begun:
        last = next(reversed(begun))
        return {**begun, last: _without_growing_item(begun[last])}
    if isinstance(begun, list) and begun and not isinstance(begun[-1], str):
        return begun[:-1]
    return begun


def _read(name: str, payload: bytes) -> Any:
    match KINDS[name]:
        case "text":
            return payload.decode()
        case "json":
            return json.loads(payload)
    return payload


def _completed(event: Mapping[str, Any]) -> Mapping[str, Any]:
    if event["finish_reason"] == "cancelled":
        raise Cancelled("the called model cancelled the request")
    return event


def _chain_end(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The end of a chain; what failed of it is raised, with the names of its stage."""
    if event["finish_reason"] == "failed":
        error = event["error"]
        raise child_error(error["status"], f"{error.get('stage', 'the chain')}: {error['message']}")
    return _completed(event)
