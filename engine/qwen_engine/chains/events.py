"""How a chain tells what happens, and how it ended.

A chain is a coroutine that takes an `Emit` for its events, those of `qwen_wire.chains`, and returns its `End`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qwen_wire.chains import ChainFinish, ErrorInfo, Stage
from qwen_wire.messages import to_dict


@dataclass(frozen=True, kw_only=True)
class End:
    """How a chain ended; `details` are the chain's own, such as its `outputs` and its `record`.

    `payload` is sent as PAYLOAD, all else in EVENT.
    """

    finish_reason: ChainFinish
    error: ErrorInfo | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b""

    def to_dict(self) -> dict[str, Any]:
        """The EVENT, without `index` and `time_s`."""
        error = {} if self.error is None else {"error": to_dict(self.error)}
        return {"type": "end", "finish_reason": self.finish_reason, **error, **self.details}


Emit = Callable[[Stage], Awaitable[None]]
"""Sends an event; returns once it is on its way, so that a chain never runs ahead of its reader."""
