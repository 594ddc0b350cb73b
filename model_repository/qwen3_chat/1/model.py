"""qwen3_chat: a conversation or a prompt in, its answer out as it is written. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.chat.engine import ChatEngine
from qwen_engine.chat.reading import read_options, read_request
from qwen_engine.chat.request import ChatRequest
from qwen_engine.chat.text import Delta
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.options import ChatOptions, parse_text
from qwen_engine.settings import ChatSettings
from qwen_engine.triton import Adapter, settings_json
from qwen_engine.wire import CHAT


class TritonPythonModel:
    def initialize(self, args):
        self.settings = ChatSettings.model_validate_json(settings_json(args))
        self.engine = ChatEngine(self.settings)
        self.adapter = Adapter(pb_utils, CHAT, self.engine, self.settings, parse=self.parse, encode=encode)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()

    def parse(self, inputs: Inputs) -> tuple[ChatRequest, ChatOptions]:
        options = read_options(inputs)
        text = parse_text(inputs["text_input"], "text_input")
        return read_request(text, options, self.settings, self.engine.checkpoint), options


def encode(delta: Delta, options: ChatOptions) -> Outputs:
    return {"text_output": delta.text.encode(), "EVENT": {"type": delta.kind}}
