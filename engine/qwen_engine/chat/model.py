"""qwen3_chat: a conversation or a prompt in, its answer out as it is written."""

from collections.abc import Sequence
from typing import Any

from qwen_engine.chat import answer
from qwen_engine.chat.answer import AnswerForm, WholeAnswer
from qwen_engine.chat.detokenizer import Delta
from qwen_engine.chat.engine import ChatEngine
from qwen_engine.chat.request import ChatRequest
from qwen_engine.chat.request_reader import read_options, read_request, takes_long
from qwen_engine.chat.settings import ChatSettings
from qwen_engine.chat.tensors import read_answer_style
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.model_spec import ModelSpec, SequenceStep
from qwen_wire.options import parse_text


class ChatModel(ModelSpec):
    def __init__(self, settings: ChatSettings) -> None:
        self.settings = settings
        self.engine: ChatEngine = ChatEngine(settings)

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[ChatRequest, AnswerForm]:
        options, style = read_options(inputs), read_answer_style(inputs)
        text = parse_text(inputs["text_input"], "text_input")
        request = read_request(text, options, self.settings, self.engine.checkpoint, style, inputs.caller.tenant)
        echo = text if style.echo and not options.stream else ""
        return request, AnswerForm(options.stream, echo, style.counts, len(request.prompt))

    def encode(self, event: Delta | WholeAnswer, context: AnswerForm) -> Outputs:
        return answer.encode(event, context)

    def join(self, events: Sequence[Delta]) -> WholeAnswer:
        return answer.join(events)

    def encode_end(self, closing: dict[str, Any], context: AnswerForm) -> Outputs:
        return answer.close(closing, context)

    def takes_long(self, inputs: Inputs) -> bool:
        return takes_long(inputs)
