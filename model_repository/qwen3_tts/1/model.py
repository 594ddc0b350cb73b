"""qwen3_tts: TEXT in, chunks of PCM16 out as they are made; voices kept by name. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.triton import serve
from qwen_engine.tts.model import TtsModel


class TritonPythonModel:
    def initialize(self, args):
        self.adapter = serve(TtsModel, pb_utils, args)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
