"""A chart as the caller gives and gets it: CHART and OPTIONS in, IMAGE and RESULT out."""

import json
from typing import Any

from qwen_engine.charts.request import ChartRequest, Drawing
from qwen_engine.charts.schema import parse_chart
from qwen_engine.errors import InvalidRequest
from qwen_engine.image.writing import encode_picture
from qwen_engine.options import ChartOptions
from qwen_engine.settings import ChartSettings


def read_request(chart: bytes, options: ChartOptions, settings: ChartSettings) -> ChartRequest:
    """The request that CHART and OPTIONS make.

    Raises:
        InvalidRequest: CHART is too long, or not a chart.
    """
    if len(chart) > settings.max_chart_bytes:
        raise InvalidRequest(f"CHART has {len(chart)} bytes; the limit is {settings.max_chart_bytes}")
    width = options.width or settings.width
    return ChartRequest(parse_chart(chart), width, options.height, options.scale, options.theme)


def answer(drawing: Drawing, options: ChartOptions) -> dict[str, Any]:
    """IMAGE and RESULT (docs/wire-protocol.md) of a drawing."""
    file = encode_picture(drawing.image, options.format, options.quality, _recipe(drawing, options))
    result = {
        "type": drawing.kind,
        "title": drawing.request.chart.title,
        "width": drawing.image.width,
        "height": drawing.image.height,
        "format": options.format,
        "language": drawing.language,
        "not_drawn": drawing.not_drawn,
    }
    return {"IMAGE": options.encode(file), "RESULT": result}


def _recipe(drawing: Drawing, options: ChartOptions) -> str:
    """The same keys as the recipe of a generated picture; the chart itself is the prompt, and nothing is random."""
    request = drawing.request
    fields = {
        "model": "chart_image",
        "checkpoint": "",
        "task": drawing.kind,
        "prompt": request.chart.model_dump_json(exclude_unset=True, by_alias=True),
        "width": request.width,
        "height": drawing.image.height // request.scale,
        "scale": request.scale,
        "theme": request.theme,
        "steps": 0,
        "seed": 0,
        "format": options.format,
        "quality": options.quality,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)
