"""The chart engine: lays out and draws charts, small and large ones on a thread each."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from qwen_engine.charts.bars import BarLayout
from qwen_engine.charts.canvas import Canvas
from qwen_engine.charts.concepts import concept_layout
from qwen_engine.charts.fonts import load_typefaces
from qwen_engine.charts.gantt import GanttLayout
from qwen_engine.charts.labels import LABELS, language_of
from qwen_engine.charts.matrix import MatrixLayout
from qwen_engine.charts.page import Layout
from qwen_engine.charts.request import ChartRequest, Drawing
from qwen_engine.charts.settings import ChartSettings
from qwen_engine.charts.text_layout import TextLayout
from qwen_engine.charts.timeline import timeline_layout
from qwen_engine.loop import Model
from qwen_engine.readers import Readers
from qwen_engine.session import Session, fail_alone
from qwen_wire.charts import BarChart, ChartBase, ConceptGraph, Gantt, ResponsibilityMatrix, Timeline
from qwen_wire.errors import InvalidRequest, Unavailable
from qwen_wire.options import MAX_SIDE_PX
from qwen_wire.theme import THEMES

LAYOUTS: Mapping[type[ChartBase], Callable[[Any, TextLayout, int], Layout]] = {
    Timeline: timeline_layout,
    ResponsibilityMatrix: MatrixLayout,
    Gantt: GanttLayout,
    BarChart: BarLayout,
    ConceptGraph: concept_layout,
}


class ChartEngine(Model[ChartRequest]):
    """A `Model` for the engine loop. Equal requests give equal pixels.

    Small charts and large ones are drawn by a thread each, which tenants share. matplotlib's figures are drawn without
    its global state, and its fonts are each thread's own.
    """

    def __init__(self, settings: ChartSettings) -> None:
        self._settings = settings
        self._typefaces = load_typefaces(settings)
        self._readers = {is_large: Readers(1, settings.max_queue, settings.tenants) for is_large in (False, True)}
        self.max_sessions = len(self._readers) * (1 + settings.max_queue)  # waiting ones are in their queues
        self._begun: set[Session[ChartRequest]] = set()

    def prepare(self, request: ChartRequest) -> ChartRequest:
        self._check_pixels(request, request.height or 1)
        return request

    def step(self, sessions: Sequence[Session[ChartRequest]]) -> bool:
        new = [session for session in sessions if session not in self._begun]
        for session in new:
            self._begun.add(session)
            with fail_alone(session):
                readers = self._readers[session.request.is_large]
                readers.submit(session.tenant, partial(self._answer, session))
        return bool(new)

    def retire(self, session: Session[ChartRequest]) -> None:
        self._begun.discard(session)

    def draw(self, request: ChartRequest) -> Drawing:
        """The picture; `InvalidRequest` as `compose`."""
        canvas = self.compose(request)
        text_layout = canvas.text_layout
        return Drawing(canvas.image(), request, text_layout.labels.language, text_layout.not_drawn)

    def compose(self, request: ChartRequest) -> Canvas:
        """The chart as shapes and texts.

        Raises:
            InvalidRequest: it does not fit into the width, the height or the limit of pixels.
        """
        language = request.chart.language or language_of(request.chart)
        text_layout = TextLayout(self._typefaces[language], LABELS[language])
        layout = LAYOUTS[type(request.chart)](request.chart, text_layout, request.width)
        zoom = layout.zoom
        needed = math.ceil(layout.height * zoom)
        height = needed if request.height is None else request.height
        if height < needed:
            raise InvalidRequest(
                f"OPTIONS.height is {height}; this chart needs {needed} pixels at the width of {request.width}"
            )
        self._check_pixels(request, height)
        top = (height - needed) // 2 / zoom
        canvas = Canvas(
            text_layout,
            THEMES[request.theme],
            width=request.width / zoom,
            height=height / zoom,
            top=top,
            scale=request.scale * zoom,
        )
        layout.draw(canvas)
        return canvas

    def _answer(self, session: Session[ChartRequest]) -> None:
        """On a reader's thread; it encodes the file, too, since one thread sends the answers of all."""
        if session.ended:  # meanwhile
            return
        session.admitted_s = time.monotonic()
        with fail_alone(session):
            if session.admitted_s - session.arrived_s > (limit_s := self._settings.max_wait_s):
                raise Unavailable(f"no place became free within {limit_s:g} s; try again later")
            drawing = self.draw(session.request)
            assert drawing.file
            session.emit(drawing)
            session.finish("stop")

    def _check_pixels(self, request: ChartRequest, height: int) -> None:
        width, height = request.width * request.scale, height * request.scale
        size = f"the chart would have {width} x {height} pixels"
        if width * height > (limit := self._settings.max_pixels):
            raise InvalidRequest(f"{size}; the limit is {limit} in all")
        if max(width, height) > MAX_SIDE_PX:
            raise InvalidRequest(f"{size}; no side may have more than {MAX_SIDE_PX}")
