"""qwen3_asr_stream: chunks of live AUDIO in, an EVENT for each out. Wire format: docs/wire-protocol.md."""

from dataclasses import asdict

import triton_python_backend_utils as pb_utils

from qwen_engine.asr.captions.engine import CaptionEngine
from qwen_engine.asr.captions.request import Caption, CaptionRequest
from qwen_engine.options import CaptionOptions, parse_options
from qwen_engine.settings import CaptionSettings
from qwen_engine.triton import Adapter, Inputs, Outputs, SequenceStep, settings_json
from qwen_engine.wire import CAPTIONS


class TritonPythonModel:
    def initialize(self, args):
        settings = CaptionSettings.model_validate_json(settings_json(args))
        self.adapter = Adapter(pb_utils, CAPTIONS, CaptionEngine(settings), settings, parse=parse, encode=encode)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()


def parse(inputs: Inputs, step: SequenceStep) -> tuple[CaptionRequest, CaptionOptions]:
    options = parse_options(CaptionOptions, inputs["OPTIONS"])
    audio = options.decode(inputs["AUDIO"], "AUDIO")
    return CaptionRequest(step.sequence_id, audio, options, start=step.start, end=step.end), options


def encode(caption: Caption, options: CaptionOptions) -> Outputs:
    segments = [
        {"start_s": round(one.start_s, 3), "end_s": round(one.end_s, 3), "text": one.text} for one in caption.segments
    ]
    return {"EVENT": {"type": "captions", **asdict(caption), "segments": segments}}
