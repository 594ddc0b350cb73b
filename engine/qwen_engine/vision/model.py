"""qwen3_vl: IMAGE and a question about it in, TEXT and RESULT out."""

from qwen_engine.files import picture_decoders
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.model_spec import ModelSpec, SequenceStep
from qwen_engine.vision.answer import answer, read_request
from qwen_engine.vision.engine import VisionEngine
from qwen_engine.vision.request import Description, VisionRequest
from qwen_engine.vision.settings import VisionSettings
from qwen_wire.options import VisionOptions, parse_options


class VisionModel(ModelSpec):
    def __init__(self, settings: VisionSettings) -> None:
        self.settings = settings
        self.decoders = picture_decoders(settings)
        self.engine: VisionEngine = VisionEngine(settings)

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[VisionRequest, VisionOptions]:
        options = parse_options(VisionOptions, inputs["OPTIONS"])
        processor = self.engine.checkpoint.processor
        request = read_request(
            inputs.several("IMAGE"), inputs["TEXT"], options, self.settings, processor, self.decoders
        )
        return request, options

    def encode(self, event: Description, context: VisionOptions) -> Outputs:
        return answer(event, context)

    def close(self) -> None:
        self.decoders.close()
