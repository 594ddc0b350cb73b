"""The model.py of every model, by links: qwen_engine.models says what is served under its name.

Wire format: docs/wire-protocol.md.
"""

import triton_python_backend_utils as pb_utils

from qwen_engine.triton import serve


class TritonPythonModel:
    def initialize(self, args):
        self.adapter = serve(pb_utils, args)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
