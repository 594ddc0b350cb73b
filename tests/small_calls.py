"""Small models that chains can call, in place of a server: one hears text files, one answers, one hums."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import contextmanager
from typing import Any

from qwen_engine.chains.calls import Tensors, Trace
from qwen_wire.errors import DeadlineExceeded, QwenError

SAMPLE_RATE_HZ = 24_000
FRAME_SAMPLES = 1920
FRAMES_A_PIECE = 3
Messages = list[dict[str, str]]


def sound_of(text: str) -> bytes:
    """What the small voice makes of `text`: three frames, each sample a letter of it."""
    letters = (text * (FRAMES_A_PIECE * FRAME_SAMPLES // len(text) + 1))[: FRAMES_A_PIECE * FRAME_SAMPLES]
    return b"".join(ord(letter).to_bytes(2, "little") for letter in letters)


class SmallCalls:
    """`ModelCalls` on three models. AUDIO is text that is heard as it is; `answer` makes the replies of messages.

    `failing` models raise its error instead of their second response, or of their only one. A model's responses wait
    while its `gates` event is unset, up to the call's deadline. `live` are the calls that are open, `made` all there
    were.
    """

    def __init__(self, answer: Callable[[Messages], str]) -> None:
        self.answer = answer
        self.failing: dict[str, QwenError | Exception] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.live: list[str] = []
        self.made: list[tuple[str, dict[str, Any], Trace]] = []

    async def stream(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, trace: Trace
    ) -> AsyncIterator[Mapping[str, bytes]]:
        with self._open(model, inputs, trace) as options:
            responses = getattr(self, model)(inputs, options)
            for number, response in enumerate(responses):
                if model in self.failing and number in (1, len(responses) - 1):
                    raise self.failing[model]
                await self._at_gate(model, deadline_s)
                yield response

    async def _at_gate(self, model: str, deadline_s: float | None) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                await self.gates[model].wait() if model in self.gates else await asyncio.sleep(0)
        except TimeoutError:
            raise DeadlineExceeded(f"{model} was late") from None

    def calls_of(self, model: str) -> list[dict[str, Any]]:
        """The options of each call of `model`."""
        return [options for name, options, _ in self.made if name == model]

    @contextmanager
    def _open(self, model: str, inputs: Tensors, trace: Trace):
        options = json.loads(inputs["OPTIONS"])
        self.made.append((model, options, trace))
        self.live.append(model)
        try:
            yield options
        finally:
            self.live.remove(model)

    def qwen3_asr(self, inputs: Any, options: dict[str, Any]) -> list[Mapping[str, bytes]]:
        return [{"TEXT": inputs["AUDIO"], "RESULT": b"{}"}]

    def qwen3_chat(self, inputs: Any, options: dict[str, Any]) -> list[Mapping[str, bytes]]:
        reply = self.answer(options["messages"])
        bits = [reply[start : start + 3] for start in range(0, len(reply), 3)]
        told = [{"text_output": bit.encode(), "EVENT": b'{"type": "text"}'} for bit in bits]
        return [*told, {"text_output": b"", "EVENT": b'{"type": "end", "finish_reason": "stop"}'}]

    def qwen3_tts(self, inputs: Any, options: dict[str, Any]) -> list[Mapping[str, bytes]]:
        sound = sound_of(inputs["TEXT"].decode())
        event = json.dumps({"type": "audio", "sample_rate_hz": SAMPLE_RATE_HZ}).encode()
        size = 2 * FRAME_SAMPLES
        frames = [{"AUDIO": sound[start : start + size], "EVENT": event} for start in range(0, len(sound), size)]
        return [*frames, {"AUDIO": b"", "EVENT": b'{"type": "end", "finish_reason": "stop"}'}]
