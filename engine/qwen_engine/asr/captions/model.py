"""qwen3_asr_stream: chunks of live AUDIO in, an EVENT for each out."""

from qwen_engine.asr.captions.engine import CaptionEngine
from qwen_engine.asr.captions.request import CaptionRequest
from qwen_engine.asr.captions.settings import CaptionSettings
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.model_spec import ModelSpec, SequenceStep
from qwen_wire.options import CaptionOptions, parse_options
from qwen_wire.transcripts import Caption


class CaptionModel(ModelSpec):
    def __init__(self, settings: CaptionSettings) -> None:
        self.settings = settings
        self.engine = CaptionEngine(settings)

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[CaptionRequest, CaptionOptions]:
        (step,) = steps
        options = parse_options(CaptionOptions, inputs["OPTIONS"])
        audio = options.decode(inputs["AUDIO"], "AUDIO", self.settings.max_chunk_bytes)
        return CaptionRequest(step.sequence_id, audio, options, start=step.start, end=step.end), options

    def encode(self, event: Caption, context: CaptionOptions) -> Outputs:
        return {"EVENT": event}
