"""qwen3_asr: encoded AUDIO in, TEXT and RESULT out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.audio import decode_audio
from qwen_engine.options import AsrOptions, parse_options
from qwen_engine.reference.asr import SAMPLE_RATE_HZ, AsrRequest, ReferenceAsr, Transcript
from qwen_engine.settings import AsrSettings
from qwen_engine.triton import Adapter, Inputs, Outputs, settings_json
from qwen_engine.wire import ASR


class TritonPythonModel:
    def initialize(self, args):
        self.settings = AsrSettings.model_validate_json(settings_json(args))
        self.adapter = Adapter(
            pb_utils,
            ASR,
            ReferenceAsr(self.settings),
            self.settings,
            parse=self.parse,
            encode=encode,
        )

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()

    def parse(self, inputs: Inputs) -> tuple[AsrRequest, AsrOptions]:
        options = parse_options(AsrOptions, inputs["OPTIONS"])
        data = options.decode(inputs["AUDIO"], "AUDIO")
        samples = decode_audio(data, sample_rate_hz=SAMPLE_RATE_HZ, max_s=self.settings.max_audio_s)
        return AsrRequest(samples, **options.request_fields(self.settings)), options


def encode(transcript: Transcript, _options: AsrOptions) -> Outputs:
    segment = {"start_s": 0.0, "end_s": transcript.duration_s, "text": transcript.text}
    result = {
        "language": transcript.language,
        "duration_s": transcript.duration_s,
        "segments": [segment] if transcript.text else [],
    }
    return {"TEXT": transcript.text.encode(), "RESULT": result}
