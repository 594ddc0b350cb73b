"""The chart engine: texts are set, then drawn; one chart after another."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qwen_engine.charts.bars import BarLayout
from qwen_engine.charts.canvas import Canvas
from qwen_engine.charts.concepts import ConceptLayout
from qwen_engine.charts.fonts import load_typefaces
from qwen_engine.charts.gantt import GanttLayout
from qwen_engine.charts.lettering import Lettering
from qwen_engine.charts.matrix import MatrixLayout
from qwen_engine.charts.page import Layout
from qwen_engine.charts.request import ChartRequest, Drawing
from qwen_engine.charts.schema import BarChart, Chart, ConceptGraph, Gantt, ResponsibilityMatrix, Timeline
from qwen_engine.charts.themes import THEMES
from qwen_engine.charts.timeline import TimelineLayout
from qwen_engine.charts.wording import WORDINGS, language_of
from qwen_engine.errors import InvalidRequest
from qwen_engine.loop import Model, Session, fail_alone
from qwen_engine.settings import ChartSettings

LAYOUTS: Mapping[type[Chart], Callable[[Any, Lettering, int], Layout]] = {
    Timeline: TimelineLayout,
    ResponsibilityMatrix: MatrixLayout,
    Gantt: GanttLayout,
    BarChart: BarLayout,
    ConceptGraph: ConceptLayout,
}


class ChartEngine(Model[ChartRequest]):
    """A `Model` for the engine loop. Equal requests give equal pixels."""

    def __init__(self, settings: ChartSettings) -> None:
        self.max_batch = 1
        self._settings = settings
        self._typefaces = load_typefaces(settings)

    def check(self, request: ChartRequest) -> None:
        self._check_pixels(request, request.height or 1)

    def step(self, sessions: Sequence[Session[ChartRequest]]) -> bool:
        for session in sessions:
            with fail_alone(session):
                session.emit(self.draw(session.request))
                session.finish("stop")
        return True

    def draw(self, request: ChartRequest) -> Drawing:
        """The picture; `InvalidRequest` as `compose`."""
        canvas = self.compose(request)
        lettering = canvas.lettering
        return Drawing(canvas.image(), request, lettering.wording.language, lettering.not_drawn)

    def compose(self, request: ChartRequest) -> Canvas:
        """The chart as shapes and texts.

        Raises:
            InvalidRequest: it does not fit into the width, the height or the limit of pixels.
        """
        language = request.chart.language or language_of(request.chart)
        lettering = Lettering(self._typefaces[language], WORDINGS[language])
        layout = LAYOUTS[type(request.chart)](request.chart, lettering, request.width)
        needed = math.ceil(layout.height)
        height = needed if request.height is None else request.height
        if height < needed:
            raise InvalidRequest(
                f"OPTIONS.height is {height}; this chart needs {needed} pixels at the width of {request.width}"
            )
        self._check_pixels(request, height)
        theme, top = THEMES[request.theme], (height - needed) // 2
        canvas = Canvas(lettering, theme, width=request.width, height=height, top=top, scale=request.scale)
        layout.draw(canvas)
        return canvas

    def _check_pixels(self, request: ChartRequest, height: int) -> None:
        width, height = request.width * request.scale, height * request.scale
        if width * height > (limit := self._settings.max_pixels):
            raise InvalidRequest(f"the chart would have {width} x {height} pixels; the limit is {limit} in all")
