"""qwen3_aligner: encoded AUDIO and the TEXT said in it, RESULT out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.aligner.answer import answer
from qwen_engine.aligner.engine import AlignerEngine
from qwen_engine.aligner.request import Alignment, AlignRequest
from qwen_engine.asr.recording import decode_recording
from qwen_engine.options import AlignerOptions, parse_options, parse_text
from qwen_engine.settings import AlignerSettings
from qwen_engine.triton import Adapter, Inputs, Outputs, settings_json
from qwen_engine.wire import ALIGNER


class TritonPythonModel:
    def initialize(self, args):
        self.settings = AlignerSettings.model_validate_json(settings_json(args))
        self.adapter = Adapter(
            pb_utils,
            ALIGNER,
            AlignerEngine(self.settings),
            self.settings,
            parse=self.parse,
            encode=encode,
        )

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()

    def parse(self, inputs: Inputs) -> tuple[AlignRequest, AlignerOptions]:
        options = parse_options(AlignerOptions, inputs["OPTIONS"])
        text = parse_text(inputs["TEXT"], "TEXT")
        samples = decode_recording(inputs["AUDIO"], options, max_s=self.settings.max_audio_s)
        return AlignRequest(samples, text, options.language, chars=options.timestamps == "char"), options


def encode(alignment: Alignment, options: AlignerOptions) -> Outputs:
    return {"RESULT": answer(alignment)}
