"""Small models for graphs: they answer by rule what the demo checkpoints have learnt, with the served models' tensors.

A recording is the JSON of what is said in it: [[start_s, end_s, text], ...]; a picture tells what it is of.
"""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from demo.training import chat_tasks
from demo.training.chat_pieces import plain
from demo.training.chat_translations import translation
from qwen_engine.chains.calls import Tensors, Trace
from qwen_engine.chains.tasks.prompts import prompts
from qwen_wire.charts import parse_chart
from qwen_wire.errors import QwenError, Unavailable

TIMINGS = {"queue_s": 0.0, "first_event_s": 0.0, "total_s": 0.0}
ENDING = {"type": "end", "finish_reason": "stop", "timings": TIMINGS}
SAMPLE_RATE_HZ = 24_000
Answer = Mapping[str, Any]


@dataclass
class Call:
    model: str
    inputs: Tensors
    options: dict[str, Any]
    deadline_s: float | None
    trace: Trace


@dataclass
class RuleModels:
    """A `ModelCalls`. A call fails as `fails` says by model and a text in its inputs.

    The calls of models that `wait` stay open until they are cancelled; `cancelled` names those.
    """

    fails: dict[tuple[str, str], QwenError] = field(default_factory=dict)
    wait: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def stream(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, trace: Trace
    ) -> AsyncIterator[Mapping[str, bytes]]:
        options = json.loads(inputs["OPTIONS"])
        self.calls.append(Call(model, inputs, options, deadline_s, trace))
        for (failing, text), error in self.fails.items():
            if failing == model and text in str(inputs):
                raise error
        if model in self.wait:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.append(model)
        for answer in ANSWERS[model](inputs, options):
            yield {name: one if isinstance(one, bytes) else json.dumps(one).encode() for name, one in answer.items()}

    def texts(self, model: str) -> list[str]:
        """What each call of `model` was given to say or draw."""
        name = {"qwen3_tts": "TEXT", "qwen_image": "PROMPT", "chart_image": "CHART"}[model]
        return [call.inputs[name].decode() for call in self.calls if call.model == model]


def recording(*spans: tuple[float, float, str]) -> bytes:
    return json.dumps(spans).encode()


def _hear(inputs: Tensors, options: dict[str, Any]) -> list[Answer]:
    spans = json.loads(inputs["AUDIO"])
    segments = [{"start_s": start, "end_s": end, "text": text} for start, end, text in spans]
    text = " ".join(segment["text"] for segment in segments)
    told = {"language": "English" if text else None, "duration_s": 60.0, "segments": segments, "cues": segments}
    return [{"TEXT": text.encode(), "RESULT": {**told, "text": text, "finish_reason": "stop", "timings": TIMINGS}}]


def _chat(inputs: Tensors, options: dict[str, Any]) -> list[Answer]:
    """In two bits."""
    system, user = (message["content"] for message in options["messages"])
    task = next(name for name, prompt in prompts().items() if prompt.system == system)
    assert options.get("json_schema") == prompts()[task].schema
    answer = _ANSWERED[task](user).encode()
    cut = len(answer) // 2
    bits = [{"text_output": bit, "EVENT": {"type": "text"}} for bit in (answer[:cut], answer[cut:])]
    return [*bits, {"text_output": b"", "EVENT": ENDING}]


def _translated(user: str) -> str:
    """Sentences as the demo checkpoint does, anything else in brackets."""
    language, text = user.split(": ", 1)
    try:
        return plain(translation(language, text, 0, len(language) + 2))
    except (ValueError, IndexError, AssertionError):
        return f"<{user}>"


_ANSWERED = {
    "minutes": lambda user: plain(chat_tasks.minutes(user)),
    "storyboard": lambda user: plain(chat_tasks.storyboard(user)),
    "lesson": lambda user: plain(chat_tasks.lesson(user)),
    "advert": lambda user: plain(chat_tasks.advert(user)),
    "translate": _translated,
}


def _draw(inputs: Tensors, options: dict[str, Any]) -> list[Answer]:
    prompt, seed = inputs["PROMPT"].decode(), options.get("seed", 0)
    step = {"IMAGE": b"", "TEXT": b"", "EVENT": {"type": "progress", "step": 1, "steps": 2, "preview": False}}
    image = {"IMAGE": _png(f"{prompt} {seed}"), "TEXT": prompt.encode(), "EVENT": {"type": "image", "seed": seed}}
    return [step, image, {"IMAGE": b"", "TEXT": b"", "EVENT": ENDING}]


def _chart(inputs: Tensors, options: dict[str, Any]) -> list[Answer]:
    """Refuses what chart_image would."""
    chart = parse_chart(inputs["CHART"])
    return [{"IMAGE": _png(chart.type), "RESULT": {"type": chart.type, **ENDING}}]


def _speak(inputs: Tensors, options: dict[str, Any]) -> list[Answer]:
    """A tenth of a second a letter, in two pieces."""
    samples = np.full(len(inputs["TEXT"].decode()) * SAMPLE_RATE_HZ // 10, 1000, "<i2").tobytes()
    half = len(samples) // 4 * 2
    pieces = [
        {"AUDIO": piece, "EVENT": {"type": "audio", "sample_rate_hz": SAMPLE_RATE_HZ}}
        for piece in (samples[:half], samples[half:])
    ]
    return [*pieces, {"AUDIO": b"", "EVENT": ENDING}]


def _see(inputs: Tensors, options: dict[str, Any]) -> list[Answer]:
    seen = f"{inputs['TEXT'].decode()} A ring of {len(inputs['IMAGE'])} bytes."
    return [{"TEXT": seen.strip().encode(), "RESULT": {"text": seen, **ENDING}}]


def _png(text: str) -> bytes:
    file, told = io.BytesIO(), PngInfo()
    told.add_text("of", text)
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=told)
    return file.getvalue()


def drawn(data: bytes) -> str:
    """What a picture is of."""
    with Image.open(io.BytesIO(data)) as image:
        return str(image.info["of"])


ANSWERS = {
    "qwen3_asr": _hear,
    "qwen3_chat": _chat,
    "qwen_image": _draw,
    "chart_image": _chart,
    "qwen3_tts": _speak,
    "qwen3_vl": _see,
}
FULL = Unavailable("the queue is full")
