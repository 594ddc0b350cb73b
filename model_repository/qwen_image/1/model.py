"""qwen_image: PROMPT and pictures in, progress, previews and pictures out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.image.model import ImageModel
from qwen_engine.triton import serve


class TritonPythonModel:
    def initialize(self, args):
        self.adapter = serve(ImageModel, pb_utils, args)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
