"""The client's commands, on `app`. The server package adds its own."""

from importlib.metadata import entry_points
from typing import Annotated

import typer

import qwen_client
from qwen_client.commands.captions import captions
from qwen_client.commands.chains import ad, describe, lesson, minutes, storyboard
from qwen_client.commands.charts import chart
from qwen_client.commands.chat import chat
from qwen_client.commands.pictures import draw, edit, recipe, styles
from qwen_client.commands.speech import say, voice_app
from qwen_client.commands.standard_streams import output_errors_on_one_line, replace_unprintable
from qwen_client.commands.talk import talk
from qwen_client.commands.transcripts import align, transcribe
from qwen_client.commands.workflows import run

PLUGINS = "qwen_client.commands"

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"qwen {qwen_client.__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit")
]


@app.callback()
def main(version: VersionOption = False) -> None:
    """Qwen speech recognition, speech synthesis and image generation on Triton."""


for command in (
    transcribe,
    captions,
    align,
    say,
    chat,
    draw,
    chart,
    edit,
    recipe,
    styles,
    minutes,
    storyboard,
    lesson,
    ad,
    describe,
    talk,
    run,
):
    app.command()(command)
app.add_typer(voice_app, name="voice")


def run_commands() -> None:
    """The program `qwen`: these commands, and those of packages that are installed beside, such as the server's."""
    for plugin in entry_points(group=PLUGINS):
        plugin.load()
    replace_unprintable()
    with output_errors_on_one_line():
        app()
