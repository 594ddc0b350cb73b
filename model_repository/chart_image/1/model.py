"""chart_image: CHART in, a picture and its RESULT out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.charts.answer import answer, read_request
from qwen_engine.charts.engine import ChartEngine
from qwen_engine.charts.request import ChartRequest
from qwen_engine.options import ChartOptions, parse_options
from qwen_engine.settings import ChartSettings
from qwen_engine.triton import Adapter, Inputs, settings_json
from qwen_engine.wire import CHART


class TritonPythonModel:
    def initialize(self, args):
        self.settings = ChartSettings.model_validate_json(settings_json(args))
        engine = ChartEngine(self.settings)
        self.adapter = Adapter(pb_utils, CHART, engine, self.settings, parse=self.parse, encode=answer)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()

    def parse(self, inputs: Inputs) -> tuple[ChartRequest, ChartOptions]:
        options = parse_options(ChartOptions, inputs["OPTIONS"])
        return read_request(options.decode(inputs["CHART"], "CHART"), options, self.settings), options
