"""Image generation: `client.image`."""

import base64
import html
import io
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from qwen_client.errors import InvalidRequest, ServerError
from qwen_client.jobs import Ending, StreamJob, Timings, require_complete
from qwen_client.wire import Answer, options_json

Size: TypeAlias = int | tuple[int, int] | str
"""Pixels: 64 (a square), (width, height) or "64x48"."""


@dataclass(frozen=True)
class Progress:
    """`step` of `steps` is done."""

    step: int
    steps: int


OnProgress: TypeAlias = Callable[[Progress], object]


@dataclass(frozen=True)
class Picture:
    """A picture, with the `prompt` and `seed` that draw it again; `png` is the file as the server made it."""

    png: bytes
    prompt: str
    width: int
    height: int
    seed: int
    timings: Timings
    request_id: str

    @cached_property
    def image(self) -> Image.Image:
        """The picture for PIL."""
        return Image.open(io.BytesIO(self.png))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `.png` (as the server made it) or any other format that PIL writes."""
        if picture_format(path) == "PNG":
            Path(path).write_bytes(self.png)
        else:
            self.image.save(path)

    def _repr_png_(self) -> bytes:
        return self.png

    def _repr_html_(self) -> str:
        source = base64.b64encode(self.png).decode()
        return (
            f'<img src="data:image/png;base64,{source}" width="{self.width}" height="{self.height}">'
            f"<br><small>{html.escape(self.prompt)}, seed {self.seed}</small>"
        )


def picture_format(path: str | os.PathLike[str]) -> str:
    """The file format that the suffix of `path` asks for."""
    file_format = Image.registered_extensions().get(Path(path).suffix.lower(), "")
    if file_format not in Image.SAVE:
        raise InvalidRequest(f"{path} has no known picture suffix; known are .png, .jpg, .webp and others of PIL's")
    return file_format


def generate(
    prompt: str,
    *,
    size: Size | None = None,
    steps: int | None = None,
    seed: int = 0,
    negative_prompt: str = " ",
    true_cfg_scale: float | None = None,
    on_progress: OnProgress | None = None,
) -> StreamJob[Answer, Picture]:
    """Draw `prompt`.

        client.image.generate("a large green star on a white background", size=64, seed=3).save("star.png")
        client.image.generate("a red ring", on_progress=lambda progress: print(progress.step, progress.steps))

    `size`: 64, (64, 48) or "64x48" pixels, multiples of 16. Same `seed`, same picture. None: the server's choice.
    `on_progress` is called after each step; raising in it cancels the request.
    Returns a `Picture`.
    """
    options = picture_options(
        size, steps=steps, seed=seed, negative_prompt=negative_prompt, true_cfg_scale=true_cfg_scale
    )
    return StreamJob(
        "qwen_image", {"PROMPT": prompt.encode(), "OPTIONS": options}, announcing(on_progress), collect_picture
    )


def picture_options(size: Size | None, **options: object) -> bytes:
    """The OPTIONS of a picture."""
    width, height = (None, None) if size is None else parse_size(size)
    return options_json(width=width, height=height, **options)


def parse_size(size: Size) -> tuple[int, int]:
    """Width and height in pixels."""
    match size:
        case int():
            return size, size
        case (int() as width, int() as height):
            return width, height
        case str() if found := re.fullmatch(r"(\d+)(?:x(\d+))?", size):
            return int(found[1]), int(found[2] or found[1])
    raise InvalidRequest(f"size is {size!r}: give 64, (64, 48) or '64x48'")


def announcing(on_progress: OnProgress | None) -> Callable[[Answer], Answer]:
    """A `read` that tells `on_progress` of each step."""

    def read(answer: Answer) -> Answer:
        event = answer.json("EVENT")
        if on_progress is not None and event["type"] == "progress":
            on_progress(Progress(event["step"], event["steps"]))
        return answer

    return read


def collect_picture(answers: Sequence[Answer], ending: Ending) -> Picture:
    """The picture among the answers."""
    require_complete(ending)
    for answer in answers:
        event = answer.json("EVENT")
        if event["type"] == "image":
            return Picture(
                png=answer.payload("IMAGE"),
                prompt=answer.text("TEXT"),
                width=event["width"],
                height=event["height"],
                seed=event["seed"],
                timings=ending.timings,
                request_id=ending.request_id,
            )
    raise ServerError("the answer holds no picture", request_id=ending.request_id)
