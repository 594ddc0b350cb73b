"""The chat engine: a `Model` for the engine loop, whose every request is a row of one continuous batch."""

from collections.abc import Sequence

import torch

from qwen_engine.chat.batch import ChatBatch
from qwen_engine.chat.checkpoint import ChatCheckpoint
from qwen_engine.chat.request import ChatRequest
from qwen_engine.chat.settings import ChatSettings
from qwen_engine.graphs import Capture
from qwen_engine.loop import Model
from qwen_engine.session import Session
from qwen_wire.errors import InvalidRequest


class ChatEngine(Model[ChatRequest]):
    """Answers requests as their tokens come. `capture`: see `ChatBatch`.

    Example:
        engine = ChatEngine(settings)
        loop = EngineLoop(engine, max_queue=64, max_wait_s=60)
        prompt = engine.checkpoint.tokens.conversation([{"role": "user", "content": "Hello"}], thinking=False)
        loop.submit([(ChatRequest(prompt, max_tokens=64, sampling=Sampling(temperature=0)), sink)])
    """

    def __init__(self, settings: ChatSettings, capture: Capture | None = None) -> None:
        torch.set_num_threads(settings.num_threads)
        self.max_sessions = settings.max_batch
        self.checkpoint = ChatCheckpoint(settings)
        self._batch = ChatBatch(self.checkpoint, settings, capture)
        self._joined: set[Session[ChatRequest]] = set()

    def prepare(self, request: ChatRequest) -> ChatRequest:
        length, limit = len(request.prompt), self.checkpoint.max_positions
        if not request.prompt:
            raise InvalidRequest("the prompt is empty; send text_input or OPTIONS.messages")
        if length >= limit:
            raise InvalidRequest(f"the prompt has {length} tokens; the limit for it and its answer is {limit}")
        return request

    def step(self, sessions: Sequence[Session[ChatRequest]]) -> bool:
        for session in sessions:
            if session not in self._joined:
                self._joined.add(session)
                self._batch.join(session)
        self._batch.step()
        return True

    def retire(self, session: Session[ChatRequest]) -> None:
        self._joined.discard(session)
        self._batch.leave(session)
