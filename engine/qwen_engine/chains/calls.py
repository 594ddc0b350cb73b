"""How a chain calls other models: the seam between chains, which know no transport, and whoever carries the calls."""

import re
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from qwen_engine.tenants import DEFAULT_TENANT, TENANT

TRACEPARENT = "traceparent"
DEPTH = "chain-depth"
DEPTH_FORM = re.compile(r"[0-9]{1,6}")
# https://www.w3.org/TR/trace-context: version, trace id, parent id, flags; ids of zeros alone are invalid.
TRACEPARENT_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

Tensors = Mapping[str, bytes | Sequence[bytes]]
"""The input payloads of a call by tensor: one item, or several. OPTIONS is among them, as JSON bytes."""


@dataclass(frozen=True)
class Trace:
    """Whose work a call is: the W3C `traceparent`, how many chains are around it, and the tenant it is done for."""

    traceparent: str
    depth: int = 0
    tenant: str = DEFAULT_TENANT

    @classmethod
    def read(cls, headers: Mapping[str, object], tenant: str = DEFAULT_TENANT) -> Self:
        """The trace that a `tenant`'s request came with; a new one where it brought none, or none that is valid."""
        received = str(headers.get(TRACEPARENT, ""))
        depth = str(headers.get(DEPTH, ""))
        traceparent = received if TRACEPARENT_FORM.fullmatch(received) else _new_traceparent()
        return cls(traceparent, int(depth) if DEPTH_FORM.fullmatch(depth) else 0, tenant)

    @property
    def trace_id(self) -> str:
        return self.traceparent.split("-")[1]

    def inside(self) -> Self:
        """The trace of what a chain calls."""
        return replace(self, depth=self.depth + 1)

    def headers(self) -> dict[str, str]:
        """What goes with a call, for the called model to `read`."""
        return {TRACEPARENT: self.traceparent, DEPTH: str(self.depth), TENANT: self.tenant}


def _new_traceparent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


class ModelCalls(Protocol):
    """Calls models of the same server."""

    def stream(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, trace: Trace
    ) -> AsyncGenerator[Mapping[str, bytes], None]:
        """Every response of `model`, output name to payload; a unary model gives one.

        To close the generator early (`contextlib.aclosing` is sure to), or to cancel the task that reads it, cancels
        the call. `deadline_s`: seconds from now. `trace` is passed on as it is: hand in `trace.inside()`.

        Raises:
            QwenError: of the kind that the model's status says; `DeadlineExceeded` after `deadline_s`.
        """
        ...
