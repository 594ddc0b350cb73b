"""chart_image: CHART in, a picture and its RESULT out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.charts.model import ChartModel
from qwen_engine.triton import serve


class TritonPythonModel:
    def initialize(self, args):
        self.adapter = serve(ChartModel, pb_utils, args)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()
