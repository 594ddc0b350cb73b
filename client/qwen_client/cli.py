"""The client's commands, on `app`. The server package adds its own."""

import typer

from qwen_client.commands.captions import captions
from qwen_client.commands.chains import ad, describe, lesson, minutes, storyboard
from qwen_client.commands.charts import chart
from qwen_client.commands.chat import chat
from qwen_client.commands.pictures import draw, edit, recipe, styles
from qwen_client.commands.speech import say, voice_app
from qwen_client.commands.talk import talk
from qwen_client.commands.transcripts import align, transcribe
from qwen_client.commands.workflows import run

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def main() -> None:
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
