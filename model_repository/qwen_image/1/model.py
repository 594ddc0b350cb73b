"""qwen_image: PROMPT and pictures in, progress, previews and pictures out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.inputs import read_request
from qwen_engine.image.outputs import StyleList, encode
from qwen_engine.image.recipe import Ingredients
from qwen_engine.image.request import ImageRequest
from qwen_engine.image.styles import styles
from qwen_engine.options import ImageOptions, parse_options, parse_text
from qwen_engine.settings import ImageSettings
from qwen_engine.triton import Adapter, Inputs, Ready, settings_json
from qwen_engine.wire import IMAGE


class TritonPythonModel:
    def initialize(self, args):
        self.settings = ImageSettings.model_validate_json(settings_json(args))
        engine = ImageEngine(self.settings)
        self.adapter = Adapter(pb_utils, IMAGE, engine, self.settings, parse=self.parse, encode=encode)

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()

    def parse(self, inputs: Inputs) -> tuple[ImageRequest | Ready, Ingredients | None]:
        options = parse_options(ImageOptions, inputs["OPTIONS"])
        if options.action == "list_styles":
            return Ready(StyleList(styles().values())), None
        prompt = parse_text(inputs["PROMPT"], "PROMPT")
        return read_request(prompt, options, inputs.items["IMAGE"], inputs["MASK"], self.settings)
