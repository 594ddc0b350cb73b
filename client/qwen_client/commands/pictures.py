"""`qwen draw`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qwen_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Client
from qwen_client.commands.options import AsJson, Seed, Timeout, Url, text_argument
from qwen_client.console import errors_on_one_line, print_made, require_folder
from qwen_client.image import picture_format
from qwen_client.progress import Bar


def draw(
    text: Annotated[str, typer.Argument(help="What to draw; - reads standard input.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png, .jpg, .webp or other picture file.")],
    size: Annotated[str | None, typer.Option(help="Pixels, such as 64x64; left out: the server's choice.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; left out: the server's choice.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Draw TEXT into a picture file."""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client:
        picture_format(output)
        require_folder(output)
        with Bar("drawing") as bar:
            picture = client.image.generate(
                text_argument(text),
                size=size,
                steps=steps,
                seed=seed,
                on_progress=lambda progress: bar.show(progress.step, progress.steps),
            )
        picture.save(output)
    made = {
        "file": str(output),
        "prompt": picture.prompt,
        "width": picture.width,
        "height": picture.height,
        "seed": picture.seed,
        "timings": asdict(picture.timings),
        "request_id": picture.request_id,
    }
    print_made(made, as_json)
