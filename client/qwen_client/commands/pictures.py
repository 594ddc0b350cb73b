"""`qwen draw`, `edit`, `recipe` and `styles`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qwen_client.client import Client
from qwen_client.commands.drawing import follow, served_format, write
from qwen_client.commands.options import AsJson, PictureFile, Recipe, Seed, SizeOption, Steps, StyleOption
from qwen_client.commands.server_calls import calls_server
from qwen_client.commands.standard_streams import STANDARD, file_argument, text_argument
from qwen_client.console import errors_on_one_line, print_json
from qwen_client.image import Preset
from qwen_client.recipes import read_recipe

Number = Annotated[int, typer.Option("--n", min=1, help="Number of pictures; their seeds count up from --seed.")]
PresetOption = Annotated[Preset | None, typer.Option("--preset", help="Trade-off between speed and quality.")]
Lora = Annotated[str | None, typer.Option(help="Name of a LoRA that the server has.")]
Mask = Annotated[Path | None, typer.Option(help="Mask of the picture's size: white where it may change.")]
Strength = Annotated[float | None, typer.Option(help="How much of the picture may change, above 0 up to 1.")]
Guidance = Annotated[float | None, typer.Option(help="Scale of classifier-free guidance; 1: none.")]
Avoid = Annotated[str, typer.Option(help="Negative prompt; needs guidance.")]
Preview = Annotated[
    Path | None, typer.Option(help="A .jpg file that is updated with a preview while the picture is generated.")
]
Quality = Annotated[
    int | None, typer.Option(min=1, max=100, help="Quality of .jpg and .webp files; 100: lossless .webp.")
]
Sheet = Annotated[bool, typer.Option("--contact-sheet", help="Also write one file with all pictures side by side.")]


@calls_server()
def draw(
    client: Client,
    text: Annotated[str, typer.Argument(help="Prompt; - reads standard input.")],
    output: PictureFile = Path("picture.png"),
    size: SizeOption = None,
    steps: Steps = None,
    seed: Seed = None,
    n: Number = 1,
    style: StyleOption = None,
    preset: PresetOption = None,
    lora: Lora = None,
    guidance: Guidance = None,
    avoid: Avoid = " ",
    image: Annotated[Path | None, typer.Option(help="Picture to start from.")] = None,
    mask: Mask = None,
    strength: Strength = None,
    preview: Preview = None,
    quality: Quality = None,
    recipe: Recipe = True,
    contact_sheet: Sheet = False,
    as_json: AsJson = False,
) -> None:
    """Generate a picture from TEXT: from noise, from another picture (--image), or inside a mask (--mask)."""
    file_format = served_format(output, preview, n, as_json)
    events = client.image.stream(
        text_argument(text),
        images=None if image is None else file_argument(image),
        mask=None if mask is None else file_argument(mask),
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
        recipe=recipe,
    )
    made = write(follow(events, n, preview), output, contact_sheet, events.timings)
    _print(made, as_json)


@calls_server()
def edit(
    client: Client,
    image: Annotated[Path, typer.Argument(help="The picture to edit.")],
    text: Annotated[str, typer.Argument(help="Instruction; - reads standard input.")],
    output: PictureFile = Path("edited.png"),
    others: Annotated[
        list[Path] | None, typer.Option("--with", help="Another picture that TEXT refers to; may be repeated.")
    ] = None,
    mask: Mask = None,
    size: SizeOption = None,
    steps: Steps = None,
    seed: Seed = None,
    n: Number = 1,
    preset: PresetOption = None,
    lora: Lora = None,
    guidance: Guidance = None,
    avoid: Avoid = " ",
    preview: Preview = None,
    quality: Quality = None,
    recipe: Recipe = True,
    contact_sheet: Sheet = False,
    as_json: AsJson = False,
) -> None:
    """Edit the picture IMAGE as TEXT instructs."""
    file_format = served_format(output, preview, n, as_json)
    events = client.image.stream(
        text_argument(text),
        images=[file_argument(one) for one in (image, *(others or []))],
        mask=None if mask is None else file_argument(mask),
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
        recipe=recipe,
    )
    made = write(follow(events, n, preview), output, contact_sheet, events.timings)
    _print(made, as_json)


def recipe(file: Annotated[Path, typer.Argument(help="A picture that this platform generated.")]) -> None:
    """Print the recipe of a generated picture (prompt, seed, steps, ...) as JSON."""
    with errors_on_one_line():
        fields = asdict(read_recipe(file_argument(file)))
    print_json({name: value for name, value in fields.items() if value not in (None, ())})


@calls_server()
def styles(client: Client, as_json: AsJson = False) -> None:
    """List the styles for `qwen draw --style`, one per line."""
    known = client.image.styles()
    if as_json:
        print_json([asdict(style) for style in known])
    else:
        typer.echo("\n".join(f"{style.name}\t{style.title['en']}\t{style.title['zh']}" for style in known))


def _print(made: list[dict[str, object]], as_json: bool) -> None:
    """The names of the files, or a list of all about them."""
    if as_json:
        print_json(made)
    elif names := [str(one["file"]) for one in made if one["file"] != STANDARD]:
        typer.echo("\n".join(names))
