"""Requests and answers of `chart_image`: CHART and OPTIONS in, IMAGE and RESULT out."""

from typing import Any

from qwen_engine.charts.request import ChartRequest, Drawing
from qwen_engine.charts.settings import ChartSettings
from qwen_wire.answers import ChartResult
from qwen_wire.charts import MAX_BYTES, parse_chart
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import ChartOptions


def read_request(chart: bytes, options: ChartOptions, settings: ChartSettings) -> ChartRequest:
    """The request of CHART and OPTIONS.

    Raises:
        InvalidRequest: CHART is too long, or not a chart.
    """
    if len(chart) > MAX_BYTES:
        raise InvalidRequest(f"CHART has {len(chart)} bytes; the limit is {MAX_BYTES}")
    return ChartRequest(
        parse_chart(chart),
        len(chart),
        width=options.width or settings.width,
        height=options.height,
        scale=options.scale,
        theme=options.theme,
        format=options.format,
        quality=options.quality,
        recipe=options.recipe,
    )


def answer(drawing: Drawing, options: ChartOptions) -> dict[str, Any]:
    """IMAGE and RESULT (docs/wire-protocol.md) of a drawing."""
    result = ChartResult(
        type=drawing.kind,
        title=drawing.request.chart.title,
        width=drawing.image.width,
        height=drawing.image.height,
        format=options.format,
        language=drawing.language,
        not_drawn=drawing.not_drawn,
    )
    return {"IMAGE": options.encode(drawing.file), "RESULT": result}
