"""qwen3_asr: encoded AUDIO in, TEXT and RESULT out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.aligner.timer import word_timer
from qwen_engine.asr.answer import answer
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.recording import read_request
from qwen_engine.asr.request import AsrRequest, Transcript
from qwen_engine.options import AsrOptions, parse_options
from qwen_engine.settings import AsrSettings
from qwen_engine.triton import Adapter, Inputs, Outputs, settings_json
from qwen_engine.wire import ASR


class TritonPythonModel:
    def initialize(self, args):
        self.settings = AsrSettings.model_validate_json(settings_json(args))
        self.adapter = Adapter(
            pb_utils,
            ASR,
            AsrEngine(self.settings, word_timer(self.settings)),
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
        return read_request(inputs["AUDIO"], options, self.settings), options


def encode(transcript: Transcript, options: AsrOptions) -> Outputs:
    text, result = answer(transcript, options)
    return {"TEXT": text.encode(), "RESULT": result}
