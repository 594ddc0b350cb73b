"""What `qwen draw` and `qwen edit` share: a request followed on the terminal, and its pictures written to files."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qwen_client.commands.standard_streams import STANDARD, require_output, write_output
from qwen_client.console import require_folder
from qwen_client.pictures import ImageEvent, Picture, Progress, contact_sheet, picture_format
from qwen_client.progress import Bar
from qwen_client.stream import Stream
from qwen_wire.errors import Cancelled, InvalidRequest
from qwen_wire.messages import Timings
from qwen_wire.options import PictureFormat
from qwen_wire.pictures import Queued

SERVED: dict[str, PictureFormat] = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp"}


def served_format(output: Path, preview: Path | None, n: int, as_json: bool) -> PictureFormat:
    """The format to ask the server for; raises at once where `output` or `preview` could not be written."""
    require_output(output, as_json)
    is_standard = str(output) == STANDARD
    if is_standard and n > 1:
        raise InvalidRequest(f"--n {n}: - is standard output, which takes one picture; give a file")
    file_format = "PNG" if is_standard else picture_format(output)
    if preview is not None:
        require_folder(preview)
    return SERVED.get(file_format, "png")


def follow(events: Stream[ImageEvent], n: int, preview: Path | None) -> list[Picture]:
    """The `n` pictures of a request; meanwhile a bar moves, and `preview` shows the first picture so far."""
    pictures: list[Picture] = []
    steps = [0] * n
    with events, Bar("drawing") as bar:
        for event in events:
            match event:
                case Queued():
                    bar.tell(f"waiting for {event.position} others" if event.position else "drawing")
                case Progress():
                    steps[event.picture] = event.step
                    bar.show(sum(steps), event.steps * n)
                    bar.tell("drawing" if event.eta_s is None else f"drawing, {event.eta_s:.0f} s to go")
                    _show(event, preview)
                case Picture():
                    pictures.append(event)
    if events.finish_reason == "cancelled":
        raise Cancelled("the server cancelled the request", request_id=events.request_id)
    return sorted(pictures, key=lambda picture: picture.picture)


def write(pictures: Sequence[Picture], output: Path, with_sheet: bool, timings: Timings | None) -> list[dict[str, Any]]:
    """Save one picture as `output`, several beside it with their seeds in the names; tells what was made."""
    made = []
    for picture in pictures:
        file = output if len(pictures) == 1 else _beside(output, str(picture.seed))
        write_output(file, picture.to_bytes, picture.save)
        made.append(_picture_json(picture, file, timings))
    if with_sheet:
        sheet = _beside(output, "sheet")
        contact_sheet(pictures).save(sheet)
        made.append({"file": str(sheet)})
    return made


def _beside(output: Path, suffix: str) -> Path:
    return output.with_stem(f"{output.stem}-{suffix}")


def _show(event: Progress, preview: Path | None) -> None:
    """Replace the file at once, so that whoever watches it never sees half a picture."""
    if preview is None or event.preview_jpeg is None or event.picture != 0:
        return
    beginning = preview.with_name(f".{preview.name}.part")
    beginning.write_bytes(event.preview_jpeg)
    os.replace(beginning, preview)


def _picture_json(picture: Picture, file: Path, timings: Timings | None) -> dict[str, Any]:
    return {
        "file": str(file),
        "prompt": picture.prompt,
        "width": picture.width,
        "height": picture.height,
        "seed": picture.seed,
        "timings": asdict(timings) if timings else None,
        "request_id": picture.request_id,
    }
