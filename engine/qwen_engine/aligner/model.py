"""qwen3_aligner: encoded AUDIO and the TEXT said in it, RESULT out."""

from qwen_engine.aligner.answer import answer
from qwen_engine.aligner.engine import AlignerEngine
from qwen_engine.aligner.request import AlignRequest, TimedText
from qwen_engine.aligner.settings import AlignerSettings
from qwen_engine.asr.recording import decode_recording
from qwen_engine.files import sound_decoders
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.model_spec import ModelSpec, SequenceStep
from qwen_wire.options import AlignerOptions, parse_options, parse_text


class AlignerModel(ModelSpec):
    def __init__(self, settings: AlignerSettings) -> None:
        self.settings = settings
        self.decoders = sound_decoders(settings)
        self.engine = AlignerEngine(settings)

    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[AlignRequest, AlignerOptions]:
        options = parse_options(AlignerOptions, inputs["OPTIONS"])
        text = parse_text(inputs["TEXT"], "TEXT")
        recording = decode_recording(inputs["AUDIO"], options, self.decoders, max_s=self.settings.max_audio_s)
        chars = options.timestamps == "char"
        return AlignRequest(recording.samples, text, options.language, chars, recording.damage_s), options

    def encode(self, event: TimedText, context: AlignerOptions) -> Outputs:
        return {"RESULT": answer(event)}

    def close(self) -> None:
        self.decoders.close()
