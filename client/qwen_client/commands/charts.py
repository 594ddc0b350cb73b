"""`qwen chart`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from qwen_client.client import Client
from qwen_client.commands.options import AsJson, PictureFile, Recipe
from qwen_client.commands.server_calls import calls_server
from qwen_client.commands.standard_streams import STANDARD, file_argument, require_output, write_output
from qwen_client.console import print_made, print_warning
from qwen_client.pictures import picture_format
from qwen_client.texts import read_json
from qwen_wire.errors import InvalidRequest
from qwen_wire.theme import ThemeName


@calls_server()
def chart(
    client: Client,
    file: Annotated[Path, typer.Argument(help="The chart as JSON; - reads standard input.")],
    output: PictureFile,
    width: Annotated[int | None, typer.Option(help="Width in pixels. Default: set by the server.")] = None,
    height: Annotated[int | None, typer.Option(help="Height in pixels. Default: as high as the chart needs.")] = None,
    scale: Annotated[int, typer.Option(help="Pixels per unit of width and height, for sharper output.")] = 1,
    theme: Annotated[ThemeName, typer.Option(help="Colour theme.")] = "light",
    recipe: Recipe = True,
    as_json: AsJson = False,
) -> None:
    """Render the chart described in FILE (timeline, Gantt, bar chart, ...) to a picture file."""
    require_output(output, as_json)
    suffix_format = "PNG" if str(output) == STANDARD else picture_format(output)
    made_as: Any = suffix_format.lower() if suffix_format in ("WEBP", "JPEG") else "png"
    drawn = client.charts.draw(
        _read_chart(file), width=width, height=height, scale=scale, theme=theme, format=made_as, recipe=recipe
    )
    is_file = write_output(output, drawn.to_bytes, drawn.save)
    made = {
        "file": str(output),
        "type": drawn.kind,
        "width": drawn.width,
        "height": drawn.height,
        "language": drawn.language,
        "not_drawn": drawn.not_drawn,
        "timings": asdict(drawn.timings) if drawn.timings else None,
        "request_id": drawn.request_id,
    }
    if drawn.not_drawn:
        print_warning(f"no font has these characters: {drawn.not_drawn}")
    if is_file:
        print_made(made, as_json)


def _read_chart(file: Path) -> dict[str, Any]:
    given = file_argument(file)
    read = read_json(given if isinstance(given, bytes) else given.read_bytes(), str(file))
    if not isinstance(read, dict):
        raise InvalidRequest(f'{file} is not a chart, such as {{"type": "gantt", "tasks": [...]}}')
    return read
