"""qwen3_asr_stream: chunks of live AUDIO in, an EVENT for each out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.asr.captions.model import CaptionModel
from qwen_engine.triton import serve


class TritonPythonModel:
    def initialize(self, args):
        self.adapter = serve(CaptionModel, pb_utils, args)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
