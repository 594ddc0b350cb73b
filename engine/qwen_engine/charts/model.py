"""chart_image: CHART in, a picture and its RESULT out."""

from qwen_engine.charts.answer import answer, read_request
from qwen_engine.charts.engine import ChartEngine
from qwen_engine.charts.request import ChartRequest, Drawing
from qwen_engine.charts.settings import ChartSettings
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.model_spec import ModelSpec, SequenceStep
from qwen_wire.charts import MAX_BYTES
from qwen_wire.options import ChartOptions, parse_options


class ChartModel(ModelSpec):
    def __init__(self, settings: ChartSettings) -> None:
        self.settings = settings
        self.engine = ChartEngine(settings)

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[ChartRequest, ChartOptions]:
        options = parse_options(ChartOptions, inputs["OPTIONS"])
        chart = options.decode(inputs["CHART"], "CHART", MAX_BYTES)
        return read_request(chart, options, self.settings), options

    def encode(self, event: Drawing, context: ChartOptions) -> Outputs:
        return answer(event, context)
