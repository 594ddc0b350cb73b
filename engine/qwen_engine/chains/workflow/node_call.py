"""One call of a model for a node: its tensors and its attempts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from qwen_engine.chains.calls import Tensors
from qwen_engine.chains.tasks.prompts import prompt
from qwen_engine.chains.workflow.graph import Node
from qwen_engine.chains.workflow.memory import Meter
from qwen_engine.chains.workflow.references import json_of, resolved
from qwen_engine.chains.workflow.response_collectors import NodeOutputs, Progress, ResponseCollector, collector_for
from qwen_engine.chains.workflow.run_context import RunContext
from qwen_engine.chains.workflow.signatures import DEFAULTS, Port, Signature
from qwen_wire.errors import DeadlineExceeded, InvalidRequest, QwenError, ServerError, Unavailable
from qwen_wire.json_text import shown

OnProgress = Callable[[Progress, ResponseCollector], Awaitable[None]]
PASSING = (Unavailable, ServerError)  # what another attempt may not meet again
GRACE_S = 1.0  # the called model learns of a deadline by the cancel; its own is for where that gets lost
FIRST_PAUSE_S = 0.1  # before the second attempt; then twice as long each time


@dataclass(frozen=True)
class NodeCall:
    """What a node asks of its model, with all references resolved."""

    model: str
    signature: Signature
    tensors: Tensors
    options: Mapping[str, Any]

    @classmethod
    def of(cls, node: Node, scope: Mapping[str, Any], context: RunContext) -> "NodeCall":
        """Raises `InvalidRequest` where a value is not what its tensor takes, or too large."""
        run_memory = context.run_memory
        model = node.model or ""
        signature = context.runtime.signatures[model]
        meter = run_memory.meter()
        options = {**_prompted(node, scope, meter), **resolved(node.options, scope, meter)}
        given = {name: resolved(value, scope, run_memory.meter()) for name, value in node.inputs.items()}
        tensors = {name: _payload(name, value, signature.inputs[name]) for name, value in given.items()}
        made = {name: payload for name, payload in tensors.items() if payload is not None}
        if signature.takes_options:
            made["OPTIONS"] = json_of(options, "options").encode()
        defaults = {name: default for name, default in DEFAULTS.items() if name in signature.inputs}
        return cls(model, signature, {**defaults, **made}, options)

    async def attempt(self, context: RunContext, timeout_s: float | None, on_progress: OnProgress) -> NodeOutputs:
        """Make the call once. Raises a `QwenError` as the model does, or `DeadlineExceeded` after `timeout_s`.

        The deadline of the whole run is its caller's to watch: the called model only learns of it. All that comes is
        counted.
        """
        collector = collector_for(self.signature, self.options)
        deadline_s = min(timeout_s or context.left_s, context.left_s) + GRACE_S
        try:
            async with asyncio.timeout(timeout_s):
                trace = context.trace.inside()
                responses = context.runtime.calls.stream(self.model, self.tensors, deadline_s=deadline_s, trace=trace)
                async with aclosing(responses):
                    async for response in responses:
                        context.run_memory.take_files(sum(map(len, response.values())))
                        if (progress := collector.take(response)) is not None:
                            await on_progress(progress, collector)
        except TimeoutError:
            raise DeadlineExceeded(f"{self.model} was not done within {timeout_s:g} s") from None
        return collector.outputs()


async def with_retries(
    attempt: Callable[[], Awaitable[NodeOutputs]],
    retries: int,
    may_repeat: Callable[[], bool],
    on_failure: Callable[[int, QwenError], Awaitable[None]],
) -> NodeOutputs:
    """What `attempt` gives, at the first time or, as long as it `may_repeat`, at one of `retries` further ones.

    `on_failure` is called for each that is followed by another: its number, from 1, and its error.
    """
    for number in range(1, retries + 1):
        try:
            return await attempt()
        except PASSING as error:
            if not may_repeat():
                raise
            await on_failure(number, error)
            await asyncio.sleep(FIRST_PAUSE_S * 2 ** (number - 1))
    return await attempt()


def _prompted(node: Node, scope: Mapping[str, Any], meter: Meter) -> dict[str, Any]:
    if node.prompt is None:
        return {}
    task, text = prompt(node.prompt), resolved(node.user, scope, meter)
    if not isinstance(text, str):
        raise InvalidRequest(f"user is {shown(text)}; it has to be a text")
    schema = {} if task.schema is None else {"json_schema": task.schema}
    return {"messages": task.messages(text), **schema}


def _payload(name: str, value: Any, port: Port) -> bytes | tuple[bytes, ...] | None:
    """What is sent of a value; None: nothing."""
    if value is None and port.optional:
        return None
    if port.several and isinstance(value, list):
        return tuple(_item(name, one, port) for one in value)
    return _item(name, value, port)


def _item(name: str, value: Any, port: Port) -> bytes:
    if port.kind == "json":
        return value.encode() if isinstance(value, str) else json_of(value, name).encode()
    if port.kind in ("text", "bytes", "any") and isinstance(value, str):
        return value.encode()
    if port.kind != "text" and isinstance(value, bytes):
        return value
    raise InvalidRequest(f"{name} takes {port}, but is given {_described(value)}")


def _described(value: Any) -> str:
    return "a file" if isinstance(value, bytes) else shown(value)
