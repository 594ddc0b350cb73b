"""The request and the result of the chart engine."""

import functools
import json
from dataclasses import dataclass

from PIL.Image import Image

from qwen_engine.image.picture_output import encode_picture
from qwen_wire.charts import AnyChart, Language
from qwen_wire.options import PictureFormat
from qwen_wire.theme import ThemeName

# Each of them takes a tenth of a second.
LARGE_BYTES = 4_000
LARGE_PIXELS = 3_000_000


@dataclass(frozen=True, eq=False)
class ChartRequest:
    """Draw `chart`, of `num_bytes` of JSON, on `width` x `height` pixels (None: as high as it needs), each made
    `scale` x `scale` pixels. `quality`: as `encode_picture` takes it."""

    chart: AnyChart
    num_bytes: int
    width: int
    height: int | None = None
    scale: int = 1
    theme: ThemeName = "light"
    format: PictureFormat = "png"
    quality: int | None = None
    recipe: bool = True

    @property
    def is_large(self) -> bool:
        """Whether drawing it takes long: small charts do not wait for it."""
        num_pixels = self.width * (self.height or self.width // 2) * self.scale**2
        return self.num_bytes > LARGE_BYTES or num_pixels > LARGE_PIXELS


@dataclass(frozen=True, eq=False)
class Drawing:
    """The picture (RGB), the language of the words added to it, and the characters that no font has."""

    image: Image
    request: ChartRequest
    language: Language
    not_drawn: str

    @property
    def kind(self) -> str:
        """The type of the chart, such as "gantt"."""
        return self.request.chart.type

    @functools.cached_property
    def file(self) -> bytes:
        """The encoded picture, with its recipe if it is to have one; encoded once."""
        recipe = self._recipe() if self.request.recipe else None
        return encode_picture(self.image, self.request.format, self.request.quality, recipe)

    def _recipe(self) -> str:
        """The same keys as the recipe of a generated picture; the chart itself is the prompt."""
        request = self.request
        fields = {
            "model": "chart_image",
            "checkpoint": "",
            "task": self.kind,
            "prompt": request.chart.model_dump_json(exclude_unset=True, by_alias=True),
            "width": request.width,
            "height": self.image.height // request.scale,
            "scale": request.scale,
            "theme": request.theme,
            "steps": 0,
            "seed": 0,
            "format": request.format,
            "quality": request.quality,
        }
        return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)
