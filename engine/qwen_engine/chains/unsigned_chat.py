"""qwen3_chat once more, for clients whose numbers have no sign: a Triton input has one type, and theirs is another.

The models of TensorRT-LLM had such inputs once, and LangChain's client still sends them.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from qwen_engine.chains.calls import ModelCalls, Trace
from qwen_engine.chains.event_sinks import Emit
from qwen_engine.chat.tensors import read_answer_style, tensor_fields
from qwen_engine.messages import Inputs, Outputs
from qwen_wire.chains import ChainEnd, Stage
from qwen_wire.errors import ServerError
from qwen_wire.options import ChatOptions, parse_options

log = logging.getLogger(__name__)

CHAT = "qwen3_chat"


@dataclass(frozen=True, kw_only=True)
class Piece(Stage):
    """An event of qwen3_chat, passed on as it is."""

    event: Mapping[str, Any]
    stage: str = CHAT

    def to_dict(self) -> dict[str, Any]:
        return dict(self.event)


@dataclass(frozen=True, kw_only=True)
class AnswerEnd(ChainEnd):
    """The last event of qwen3_chat, passed on as it is."""

    event: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"type": self.type, "finish_reason": self.finish_reason, **self.event}


class UnsignedChat:
    """Passes requests on to qwen3_chat, and its answers back.

    Example:
        ChainAdapter(pb_utils, CHAT_UINT32, settings, run=UnsignedChat(calls).run, encode=encode)
    """

    def __init__(self, calls: ModelCalls) -> None:
        self._calls = calls

    async def run(self, inputs: Inputs, trace: Trace, emit: Emit) -> ChainEnd:
        """One answer. Raises a `QwenError` where there is none."""
        read_answer_style(inputs)
        options = parse_options(ChatOptions, inputs["OPTIONS"] or b"{}", tensor_fields(inputs))
        tensors = {"text_input": inputs["text_input"], "OPTIONS": options.model_dump_json(exclude_unset=True).encode()}
        deadline_s = inputs.caller.left_s if inputs.caller.timeout_s else None
        async with aclosing(self._calls.stream(CHAT, tensors, deadline_s=deadline_s, trace=trace.inside())) as answers:
            async for answer in answers:
                event, payload = json.loads(answer["EVENT"]), answer["text_output"]
                if event["type"] == "end":
                    return AnswerEnd(finish_reason="stop", event=event, payload=payload)
                await emit(Piece(event=event, payload=payload))
        log.error("an answer of %s had no end", CHAT)
        raise ServerError()


def encode(event: Stage | ChainEnd) -> Outputs:
    """The outputs that tell of one event."""
    return {"text_output": event.payload, "EVENT": event.to_dict()}
