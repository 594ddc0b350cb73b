"""qwen3_vl: IMAGE and a question about it in, TEXT and RESULT out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.triton import serve
from qwen_engine.vision.model import VisionModel


class TritonPythonModel:
    def initialize(self, args):
        self.adapter = serve(VisionModel, pb_utils, args)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
