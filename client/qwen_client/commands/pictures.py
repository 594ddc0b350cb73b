"""`qwen draw`, `edit`, `recipe` and `styles`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qwen_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Client
from qwen_client.commands.drawing import follow, served_format, write
from qwen_client.commands.options import AsJson, Seed, Timeout, Url, text_argument
from qwen_client.console import errors_on_one_line, print_json
from qwen_client.image import Preset
from qwen_client.recipes import read_recipe

Output = Annotated[Path, typer.Option("--output", "-o", help="A .png, .jpg, .webp or other picture file.")]
SizeOption = Annotated[str | None, typer.Option("--size", help="64x48 pixels, or a ratio: 16:9. Left out: by server.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps; left out: the server's choice.")]
Number = Annotated[int, typer.Option("--n", min=1, help="So many pictures, each with the next seed.")]
StyleOption = Annotated[str | None, typer.Option("--style", help="A name that `qwen styles` prints.")]
PresetOption = Annotated[Preset | None, typer.Option("--preset", help="How fast, or how exact.")]
Lora = Annotated[str | None, typer.Option(help="A LoRA of the server's, by name.")]
Mask = Annotated[Path | None, typer.Option(help="White where the picture is to change, as large as the picture.")]
Strength = Annotated[float | None, typer.Option(help="How much of the picture may change: above 0, to 1.")]
Guidance = Annotated[float | None, typer.Option(help="How closely to follow the text; 1: no guidance.")]
Avoid = Annotated[str, typer.Option(help="What not to draw, with guidance.")]
Preview = Annotated[Path | None, typer.Option(help="A .jpg file that shows the picture so far, step by step.")]
Quality = Annotated[int | None, typer.Option(min=1, max=100, help="Of .jpg and .webp (100: lossless).")]
Sheet = Annotated[bool, typer.Option("--contact-sheet", help="All pictures in one more file, too.")]


def draw(
    text: Annotated[str, typer.Argument(help="What to draw; - reads standard input.")],
    output: Output = Path("picture.png"),
    size: SizeOption = None,
    steps: Steps = None,
    seed: Seed = 0,
    n: Number = 1,
    style: StyleOption = None,
    preset: PresetOption = None,
    lora: Lora = None,
    guidance: Guidance = None,
    avoid: Avoid = " ",
    image: Annotated[Path | None, typer.Option(help="A picture to start from.")] = None,
    mask: Mask = None,
    strength: Strength = None,
    preview: Preview = None,
    quality: Quality = None,
    contact_sheet: Sheet = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Draw TEXT into a picture file: from nothing, over a picture, or where a mask is white."""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client:
        file_format = served_format(output, preview)
        events = client.image.stream(
            text_argument(text),
            images=image,
            mask=mask,
            task=None if image is None else "vary" if mask is None else "inpaint",
            size=size,
            steps=steps,
            seed=seed,
            n=n,
            style=style,
            preset=preset,
            lora=lora,
            true_cfg_scale=guidance,
            negative_prompt=avoid,
            strength=strength,
            preview_every=1 if preview else None,
            format=file_format,
            quality=quality,
        )
        made = write(follow(events, n, preview), output, contact_sheet, events.timings)
    _print(made, as_json)


def edit(
    image: Annotated[Path, typer.Argument(help="The picture to edit.")],
    text: Annotated[str, typer.Argument(help="What to do to it; - reads standard input.")],
    output: Output = Path("edited.png"),
    others: Annotated[list[Path] | None, typer.Option("--with", help="Another picture that TEXT speaks of.")] = None,
    mask: Mask = None,
    size: SizeOption = None,
    steps: Steps = None,
    seed: Seed = 0,
    n: Number = 1,
    preset: PresetOption = None,
    lora: Lora = None,
    guidance: Guidance = None,
    avoid: Avoid = " ",
    preview: Preview = None,
    quality: Quality = None,
    contact_sheet: Sheet = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_ADDRESS,
    timeout_s: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Do to the picture IMAGE what TEXT asks for."""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client:
        file_format = served_format(output, preview)
        events = client.image.stream(
            text_argument(text),
            images=[image, *(others or [])],
            mask=mask,
            task="edit",
            size=size,
            steps=steps,
            seed=seed,
            n=n,
            preset=preset,
            lora=lora,
            true_cfg_scale=guidance,
            negative_prompt=avoid,
            preview_every=1 if preview else None,
            format=file_format,
            quality=quality,
        )
        made = write(follow(events, n, preview), output, contact_sheet, events.timings)
    _print(made, as_json)


def recipe(file: Annotated[Path, typer.Argument(help="A picture that was drawn here.")]) -> None:
    """Print what a picture was made from, as JSON."""
    with errors_on_one_line():
        told = asdict(read_recipe(file))
    print_json({name: value for name, value in told.items() if value not in (None, ())})


def styles(as_json: AsJson = False, url: Url = DEFAULT_ADDRESS, timeout_s: Timeout = DEFAULT_TIMEOUT_S) -> None:
    """The styles that `qwen draw --style` takes, a line each."""
    with errors_on_one_line(), Client(url, timeout_s=timeout_s) as client:
        known = client.image.styles()
    if as_json:
        print_json([asdict(style) for style in known])
    else:
        typer.echo("\n".join(f"{style.name}\t{style.title['en']}\t{style.title['zh']}" for style in known))


def _print(made: list[dict[str, object]], as_json: bool) -> None:
    """The names of the files, or all about them: a list where there are several."""
    if as_json:
        print_json(made if len(made) > 1 else made[0])
    else:
        typer.echo("\n".join(str(one["file"]) for one in made))
