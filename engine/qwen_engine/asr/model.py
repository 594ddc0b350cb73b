"""qwen3_asr: encoded AUDIO in, TEXT and RESULT out."""

from qwen_engine.aligner.timer import word_timer
from qwen_engine.asr.answer import answer
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.recording import read_request
from qwen_engine.asr.request import AsrRequest, Recognition
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.files import sound_decoders
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.model_spec import ModelSpec, SequenceStep
from qwen_wire.options import AsrOptions, parse_options


class AsrModel(ModelSpec):
    def __init__(self, settings: AsrSettings) -> None:
        self.settings = settings
        self.decoders = sound_decoders(settings)
        self.engine = AsrEngine(settings, word_timer(settings))

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[AsrRequest, AsrOptions]:
        options = parse_options(AsrOptions, inputs["OPTIONS"])
        return read_request(inputs["AUDIO"], options, self.settings, self.decoders), options

    def encode(self, event: Recognition, context: AsrOptions) -> Outputs:
        text, result = answer(event, context)
        return {"TEXT": text.encode(), "RESULT": result}

    def close(self) -> None:
        self.decoders.close()
