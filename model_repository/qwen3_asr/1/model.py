"""qwen3_asr: encoded AUDIO in, TEXT and RESULT out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.asr.model import AsrModel
from qwen_engine.triton import serve


class TritonPythonModel:
    def initialize(self, args):
        self.adapter = serve(AsrModel, pb_utils, args)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
