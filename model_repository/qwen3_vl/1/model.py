"""qwen3_vl: IMAGE and a question about it in, TEXT and RESULT out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.options import VisionOptions, parse_options
from qwen_engine.settings import VisionSettings
from qwen_engine.triton import Adapter, Inputs, settings_json
from qwen_engine.vision.answer import answer, read_request
from qwen_engine.vision.engine import VisionEngine
from qwen_engine.vision.request import VisionRequest
from qwen_engine.wire import VISION


class TritonPythonModel:
    def initialize(self, args):
        self.settings = VisionSettings.model_validate_json(settings_json(args))
        self.engine = VisionEngine(self.settings)
        self.adapter = Adapter(pb_utils, VISION, self.engine, self.settings, parse=self.parse, encode=answer)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()

    def parse(self, inputs: Inputs) -> tuple[VisionRequest, VisionOptions]:
        options = parse_options(VisionOptions, inputs["OPTIONS"])
        eyes = self.engine.checkpoint.eyes
        return read_request(inputs["IMAGE"], inputs["TEXT"], options, self.settings, eyes), options
