"""Write perf/data/*.json: `python -m perf.make_inputs` (needs espeak-ng). The results are committed."""

import io
import json
import random

import soundfile
from PIL import Image

from demo.training.corpus import Scene
from demo.training.pictures import draw, figure_of
from demo.training.speech import Voice, speak
from perf.inputs import DATA, Entry, binary, input_file, text
from qwen_engine.chains.tasks.prompts import prompt

SAMPLE_RATE_HZ = 16_000
HEARD = (
    (Voice("en-us", 160, 50), "Please draw a large red circle on a blue background."),
    (Voice("en-gb+f2", 150, 55), "The meeting starts at ten o'clock on Monday."),
    (Voice("en-gb-scotland+m3", 165, 45), "Thank you everyone."),
)
SPOKEN = ("Good morning everyone.", "The meeting starts at three o'clock tomorrow.", "Thank you Anna.")
DRAWN = ("a small red circle on a blue background", "a large green star", "a yellow ring on a black background")
ASKED = (
    ("assistant", "Good morning. The meeting starts at three o'clock tomorrow."),
    ("translate", "zh: We agreed on the budget."),
    ("minutes", "[00:00] Anna: We agreed on the date and the price.\n[00:04] Ben: The task is done by Anna on Friday."),
)
SHOWN = (Scene("red", "circle", "small", "blue"), Scene("green", "star", None, "white"))

CHARTS = (
    {
        "type": "gantt",
        "title": "Plan",
        "tasks": [
            {"name": "Design", "start": "2026-11-02", "end": "2026-11-13", "owner": "Anna", "progress": 0.5},
            {"name": "Build", "start": "2026-11-16", "end": "2026-12-11", "owner": "Ben", "after": ["Design"]},
            {"name": "Launch", "start": "2026-12-14", "after": ["Build"]},
        ],
    },
    {
        "type": "responsibility_matrix",
        "people": ["Anna", "Ben"],
        "tasks": [{"name": "Send the report", "roles": {"Anna": "RA", "Ben": "I"}}],
    },
    {"type": "bar", "categories": ["Monday", "Friday"], "series": [{"name": "calls", "values": [4, 9]}]},
)


def main() -> None:
    DATA.mkdir(exist_ok=True)
    write("qwen3_asr", [{"AUDIO": binary(spoken(*line)), "OPTIONS": options()} for line in HEARD])
    write(
        "qwen3_aligner",
        [{"AUDIO": binary(spoken(*line)), "TEXT": text(line[1]), "OPTIONS": options()} for line in HEARD],
    )
    write("qwen3_tts", [{"TEXT": text(line), "OPTIONS": options(seed=seed)} for seed, line in enumerate(SPOKEN)])
    write("qwen3_chat", [{"text_input": text(""), "OPTIONS": asked(*line)} for line in ASKED])
    write("qwen_image", [{"PROMPT": text(line), "OPTIONS": options(seed=seed)} for seed, line in enumerate(DRAWN)])
    write("qwen3_vl", [{"IMAGE": binary(drawn(scene)), "TEXT": text(""), "OPTIONS": options()} for scene in SHOWN])
    write("chart_image", [{"CHART": text(json.dumps(chart)), "OPTIONS": options()} for chart in CHARTS])


def spoken(voice: Voice, line: str) -> bytes:
    """A FLAC file."""
    file = io.BytesIO()
    soundfile.write(file, speak(line, voice, sample_rate_hz=SAMPLE_RATE_HZ), SAMPLE_RATE_HZ, format="FLAC")
    return file.getvalue()


def drawn(scene: Scene) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    Image.fromarray(draw(figure_of(scene, random.Random(0)))).save(file, "PNG")
    return file.getvalue()


def asked(task: str, line: str) -> list[str]:
    """OPTIONS of a chat: one of the chains' tasks, with its schema where it has one."""
    wanted = prompt(task)
    schema = {"json_schema": wanted.schema} if wanted.schema else {}
    return [json.dumps({"messages": wanted.messages(line), **schema})]


def options(**values: int) -> list[str]:
    return [json.dumps(values)]


def write(model: str, entries: list[Entry]) -> None:
    input_file(model).write_text(json.dumps({"data": entries}, indent=1) + "\n")


if __name__ == "__main__":
    main()
