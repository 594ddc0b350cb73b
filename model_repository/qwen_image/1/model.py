"""qwen_image: PROMPT in, progress and a PNG out. Wire format: docs/wire-protocol.md."""

import triton_python_backend_utils as pb_utils

from qwen_engine.errors import InvalidRequest
from qwen_engine.options import ImageOptions, parse_options, parse_text
from qwen_engine.picture import png
from qwen_engine.reference.image import ImageRequest, Picture, Progress, ReferenceImage
from qwen_engine.settings import ImageSettings
from qwen_engine.triton import Adapter, Inputs, Outputs, settings_json
from qwen_engine.wire import IMAGE


class TritonPythonModel:
    def initialize(self, args):
        self.settings = ImageSettings.model_validate_json(settings_json(args))
        self.adapter = Adapter(
            pb_utils,
            IMAGE,
            ReferenceImage(self.settings),
            self.settings,
            parse=self.parse,
            encode=encode,
        )

    def execute(self, requests):
        return self.adapter.execute(requests)

    def finalize(self):
        self.adapter.close()

    def parse(self, inputs: Inputs) -> tuple[ImageRequest, ImageOptions]:
        options = parse_options(ImageOptions, inputs["OPTIONS"])
        for name in ("IMAGE", "MASK"):
            if inputs[name]:
                raise InvalidRequest(f"{name} is given, but this checkpoint draws from text only; leave it empty")
        return ImageRequest(parse_text(inputs["PROMPT"], "PROMPT"), **options.request_fields(self.settings)), options


def encode(event: Progress | Picture, options: ImageOptions) -> Outputs:
    if isinstance(event, Progress):
        return {"IMAGE": b"", "TEXT": b"", "EVENT": {"type": "progress", "step": event.step, "steps": event.steps}}
    request = event.request
    made = {"type": "image", "width": request.width, "height": request.height, "seed": request.seed}
    return {"IMAGE": options.encode(png(event.image)), "TEXT": request.prompt.encode(), "EVENT": made}
