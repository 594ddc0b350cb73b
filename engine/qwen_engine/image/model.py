"""qwen_image: PROMPT and pictures in, progress, previews and pictures out."""

from qwen_engine.files import picture_decoders
from qwen_engine.image.engine import ImageEngine
from qwen_engine.image.inputs import read_request
from qwen_engine.image.outputs import encode, style_list
from qwen_engine.image.recipe import RecipeInputs
from qwen_engine.image.request import ImageEvent, ImageRequest
from qwen_engine.image.settings import ImageSettings
from qwen_engine.messages import Inputs, Outputs
from qwen_engine.model_spec import Immediate, ModelSpec, SequenceStep
from qwen_wire.options import ImageOptions, parse_options, parse_text
from qwen_wire.pictures import StyleList


class ImageModel(ModelSpec):
    def __init__(self, settings: ImageSettings) -> None:
        self.settings = settings
        self.decoders = picture_decoders(settings)
        self.engine = ImageEngine(settings)

    def read(
        self, inputs: Inputs, *steps: SequenceStep
    ) -> tuple[ImageRequest | Immediate, RecipeInputs | ImageOptions]:
        options = parse_options(ImageOptions, inputs["OPTIONS"])
        if options.action == "list_styles":
            return Immediate(style_list), options
        prompt = parse_text(inputs["PROMPT"], "PROMPT")
        images, mask, tenant = inputs.items["IMAGE"], inputs["MASK"], inputs.caller.tenant
        return read_request(prompt, options, images, mask, self.settings, self.decoders, tenant, inputs["HEARD"])

    def encode(self, event: ImageEvent | StyleList, context: RecipeInputs | ImageOptions) -> Outputs:
        return encode(event, context)

    def close(self) -> None:
        self.decoders.close()
