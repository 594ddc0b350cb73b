"""qwen3_chat: a conversation or a prompt in, its answer out as it is written. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.chat.model import ChatModel
from qwen_engine.triton import serve


class TritonPythonModel:
    def initialize(self, args):
        self.adapter = serve(ChatModel, pb_utils, args)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
