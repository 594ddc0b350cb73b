"""What the chart engine takes and gives."""

from dataclasses import dataclass
from typing import Literal

from PIL.Image import Image

from qwen_engine.charts.schema import AnyChart, Language

ThemeName = Literal["light", "dark"]


@dataclass(frozen=True, eq=False)
class ChartRequest:
    """Draw `chart` on `width` x `height` pixels (None: as high as it needs), each made `scale` x `scale` pixels."""

    chart: AnyChart
    width: int
    height: int | None = None
    scale: int = 1
    theme: ThemeName = "light"


@dataclass(frozen=True, eq=False)
class Drawing:
    """The picture (RGB), the language of the words added to it, and the characters that no font at hand has."""

    image: Image
    request: ChartRequest
    language: Language
    not_drawn: str

    @property
    def kind(self) -> str:
        """The type of the chart, such as "gantt"."""
        return self.request.chart.type
