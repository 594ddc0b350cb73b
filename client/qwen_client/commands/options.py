"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Seed = Annotated[
    int | None, typer.Option(help="Random seed; the same seed gives the same result. Default: a random one.")
]
SpeechLanguage = Annotated[
    str | None,
    typer.Option("--language", help="Language of the speech, such as English, en or en-US. Default: detect it."),
]
Context = Annotated[str, typer.Option(help="Words that are likely to occur, such as names.")]
SizeOption = Annotated[
    str | None,
    typer.Option("--size", help="WIDTHxHEIGHT in pixels, or an aspect ratio such as 16:9. Default: set by the server."),
]
Steps = Annotated[int | None, typer.Option(help="Number of denoising steps. Default: set by the server.")]
PictureFile = Annotated[
    Path,
    typer.Option("--output", "-o", help="A .png, .jpg, .webp or other picture file; -: PNG to standard output."),
]
Recipe = Annotated[
    bool, typer.Option("--recipe/--no-recipe", help="Write prompt and seed into the file, which can draw it again.")
]
StyleOption = Annotated[str | None, typer.Option("--style", help="Style; `qwen styles` lists them.")]
