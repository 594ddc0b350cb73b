"""Models of the repository in this process, called as chains call them: their model.py files, without Triton."""

import asyncio
import json
import runpy
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from perf.report import PROJECT
from qwen_engine.chains.calls import Tensors, Trace
from qwen_engine.chains.child_errors import child_error
from qwen_engine.settings import ModelSettings

FINAL = 1
BACKEND = "triton_python_backend_utils"


class _Error:
    """What TritonError is there: a message that begins with its status."""

    INVALID_ARG, UNAVAILABLE, CANCELLED, INTERNAL = range(4)

    def __init__(self, message: str, code: int) -> None:
        self.message = message


class _Request:
    """One request, which is its own response sender."""

    def __init__(self, inputs: Tensors, trace: Trace) -> None:
        self._headers = trace.headers()
        self.tensors = {name: _array([item] if isinstance(item, bytes) else item) for name, item in inputs.items()}
        self.is_abandoned = False
        self.responses: asyncio.Queue[tuple[Any, int]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def parameters(self) -> str:
        return json.dumps(self._headers)

    def request_id(self) -> str:
        return ""

    def timeout(self) -> int:
        return 0

    def get_response_sender(self) -> "_Request":
        return self

    def send(self, response: Any, flags: int = 0) -> None:
        self._loop.call_soon_threadsafe(self.responses.put_nowait, (response, flags))

    def is_cancelled(self) -> bool:
        return self.is_abandoned


def _array(items: Sequence[bytes]) -> np.ndarray:
    return np.array([[*items]], dtype=np.object_)


def _tensor(name: str, array: np.ndarray) -> Any:
    return SimpleNamespace(name=name, as_numpy=lambda: array)


def _input(request: _Request, name: str) -> Any:
    return _tensor(name, request.tensors[name]) if name in request.tensors else None


def _backend() -> ModuleType:
    """What model.py files import of Triton."""
    module = ModuleType(BACKEND)
    module.__dict__.update(
        Tensor=_tensor,
        InferenceResponse=lambda tensors, error=None: SimpleNamespace(tensors=tensors, error=error),
        TritonError=_Error,
        get_input_tensor_by_name=_input,
        TRITONSERVER_RESPONSE_COMPLETE_FINAL=FINAL,
    )
    return module


def _loaded(name: str, settings: ModelSettings) -> Any:
    """The model `name` with these settings."""
    model = runpy.run_path(str(PROJECT / "model_repository" / name / "1" / "model.py"))["TritonPythonModel"]()
    config = {"parameters": {"settings": {"string_value": settings.model_dump_json()}}}
    model.initialize({"model_name": name, "model_config": json.dumps(config)})
    return model


class InProcessCalls:
    """`ModelCalls` on models of this process."""

    def __init__(self, models: Mapping[str, Any]) -> None:
        self._models = models

    async def stream(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, trace: Trace
    ) -> AsyncGenerator[Mapping[str, bytes], None]:
        request = _Request(inputs, trace)
        self._models[model].execute([request])
        flags = 0
        try:
            async with asyncio.timeout(deadline_s):
                while flags != FINAL:
                    response, flags = await request.responses.get()
                    yield _payloads(response)
        finally:
            request.is_abandoned = flags != FINAL


def _payloads(response: Any) -> Mapping[str, bytes]:
    if response.error is not None:
        status, _, message = response.error.message.partition(": ")
        raise child_error(status, message)
    return {tensor.name: tensor.as_numpy()[0, 0] for tensor in response.tensors}


@contextmanager
def in_process(settings: Mapping[str, ModelSettings]) -> Iterator[InProcessCalls]:
    """The models named, loaded for the length of the with-block."""
    sys.modules[BACKEND] = _backend()
    models = {name: _loaded(name, one) for name, one in settings.items()}
    try:
        yield InProcessCalls(models)
    finally:
        for model in models.values():
            model.finalize()
        del sys.modules[BACKEND]
