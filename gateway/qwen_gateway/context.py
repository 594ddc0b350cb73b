"""What an endpoint has at hand: the servers, the settings, and who asks."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar

from fastapi import Depends, Request

from qwen_client import AsyncClient
from qwen_gateway.answer_cache import keep
from qwen_gateway.kept_files import KeptFiles
from qwen_gateway.leaving import unless_left
from qwen_gateway.remote_files import RemoteFiles
from qwen_gateway.settings import GatewaySettings
from qwen_gateway.upstream import Upstream

ResultT = TypeVar("ResultT")
Call: TypeAlias = Callable[[AsyncClient], Coroutine[Any, Any, ResultT]]


@dataclass(frozen=True)
class Context:
    """One request with what serves it."""

    request: Request
    settings: GatewaySettings
    upstream: Upstream
    kept_files: KeptFiles
    remote_files: RemoteFiles

    def keep_answer(self) -> None:
        """Have the answer kept for the same request: it is the same every time."""
        keep(self.request.scope)

    async def ask(self, call: Call[ResultT]) -> ResultT:
        """The result of a call of the SDK, on one of the servers; cancelled where the caller leaves."""
        with self.upstream.server() as client:
            return await unless_left(self.request, call(client))


def context(request: Request) -> Context:
    state = request.app.state
    return Context(request, state.settings, state.upstream, state.kept_files, state.remote_files)


ContextOf = Annotated[Context, Depends(context)]
