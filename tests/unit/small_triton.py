"""A small stand-in for Triton's Python API: requests that keep what is sent to them."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

WAIT_S = 20
FINAL = 1
MINE, OTHER = "mine-5f0c17d9a4b84e22", "other-02b8e1d7c94f6a35"  # ids that nobody guesses


@dataclass
class SmallTensor:
    name: str
    items: Any

    def as_numpy(self) -> Any:
        return self.items


class SmallError:
    """Triton's codes are attributes of its error."""

    INVALID_ARG, UNAVAILABLE, CANCELLED, INTERNAL = "INVALID_ARG", "UNAVAILABLE", "CANCELLED", "INTERNAL"

    def __init__(self, message: str, code: str) -> None:
        self.message, self.code = message, code


@dataclass
class SmallResponse:
    tensors: list[SmallTensor]
    error: SmallError | None = None

    @property
    def event(self) -> dict[str, Any]:
        return json.loads({one.name: one.items[0, 0] for one in self.tensors}["EVENT"])


@dataclass
class SmallRequest:
    """A request, its sender, and what was sent. `fault` is called before each send, and may raise."""

    options: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    id: str = ""
    timeout_s: float = 0.0
    inputs: dict[str, bytes] = field(default_factory=lambda: {"WORKFLOW": b"{}"})
    sent: list[SmallResponse] = field(default_factory=list)
    finals: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    has_left: bool = False
    asking_fails: bool = False
    num_asked: int = 0
    fault: Callable[[SmallResponse | None, bool], None] = lambda response, is_final: None

    def get_response_sender(self) -> "SmallRequest":
        return self

    def parameters(self) -> str:
        return json.dumps(self.headers)

    def request_id(self) -> str:
        return self.id

    def timeout(self) -> int:
        return int(self.timeout_s * 1e6)

    def is_cancelled(self) -> bool:
        assert not self.finals, "to ask after a request that is over can crash Triton"
        self.num_asked += 1
        if self.asking_fails:
            raise RuntimeError("no answer from Triton")
        return self.has_left

    def send(self, response: SmallResponse | None, flags: int = 0) -> None:
        self.fault(response, flags == FINAL)
        self.sent.append(response)
        self.finals += flags == FINAL
        if flags == FINAL:
            self.ended.set()

    def outcome(self) -> SmallResponse:
        """The last response, the one final one."""
        assert self.ended.wait(WAIT_S)
        assert self.finals == 1
        return self.sent[-1]


def tensor_of(request: SmallRequest, name: str) -> SmallTensor | None:
    given = {**request.inputs, "OPTIONS": request.options}
    return SmallTensor(name, np.array([[given[name]]], dtype=np.object_)) if name in given else None


PB_UTILS = SimpleNamespace(
    Tensor=SmallTensor,
    InferenceResponse=SmallResponse,
    TritonError=SmallError,
    TRITONSERVER_RESPONSE_COMPLETE_FINAL=FINAL,
    get_input_tensor_by_name=tensor_of,
)
