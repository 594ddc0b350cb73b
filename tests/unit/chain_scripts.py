"""What the scripted server answers as the named chains: their events, one after another, as docs/chains.md has them."""

import io
import itertools
import json
import wave
from collections.abc import Iterator
from typing import Any

from client_scripts import TIMINGS, encoded, event
from fake_triton import Payloads, Script

SPEECH_RATE_HZ = 24_000


def picture(prompt: str, seed: int = 0, model: str = "qwen_image") -> bytes:
    recipe = {"model": model, "checkpoint": "x", "task": "generate", "prompt": prompt, "width": 64, "height": 48,
              "steps": 3, "seed": seed, "format": "png"}  # fmt: skip
    return encoded(64, 48, recipe=recipe)


def chart(title: str) -> bytes:
    return picture(json.dumps({"title": title}), model="chart_image")


def wav(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writing:
        writing.setparams((1, 2, SPEECH_RATE_HZ, 0, "NONE", ""))
        writing.writeframes(b"\1\0" * round(seconds * SPEECH_RATE_HZ))
    return file.getvalue()


class Telling:
    """Makes the responses of a chain, numbered and timed."""

    def __init__(self) -> None:
        self._index = itertools.count()

    def stage(self, kind: str, stage: str, payload: bytes = b"", **told: Any) -> Payloads:
        index = next(self._index)
        return {"PAYLOAD": payload, "EVENT": event(index, f"stage_{kind}", stage=stage, time_s=index / 10, **told)}

    def value(self, stage: str, value: Any, output: str = "RESULT", **told: Any) -> Payloads:
        return self.stage("result", stage, output=output, value=value, **told)

    def file(self, stage: str, output: str, payload: bytes, **told: Any) -> Payloads:
        return self.stage("result", stage, payload, output=output, **told)

    def end(self, finish_reason: str = "stop", **told: Any) -> Payloads:
        ending = event(next(self._index), "end", finish_reason=finish_reason, timings=TIMINGS, time_s=9.0, **told)
        return {"PAYLOAD": b"", "EVENT": ending}


def asked(inputs: Payloads) -> dict[str, Any]:
    """The inputs in OPTIONS."""
    told: dict[str, Any] = json.loads(inputs["OPTIONS"])
    return told.get("inputs", {})


def storyboard(inputs: Payloads) -> Iterator[Payloads]:
    """Three pictures, the second one first."""
    tell, seed = Telling(), asked(inputs).get("seed", 0)
    idea = inputs["TEXT"].decode() if "TEXT" in inputs else f"{len(inputs['AUDIO'])} bytes"
    yield tell.value("idea", idea)
    yield tell.stage("started", "story")
    yield tell.value("story", {"draft": f"{idea} Twice.", "prompts": ["a", "b", "c"]}, "json")
    shots = [{"prompt": prompt, "seed": seed + number} for number, prompt in enumerate("abc")]
    for number, shot in enumerate(shots):
        yield tell.value("shots", shot, item=number)
    yield tell.stage("started", "pictures", items=3)
    yield tell.stage("progress", "pictures", item=1, event={"type": "progress", "step": 1, "steps": 3})
    for number in (1, 0, 2):
        shot = shots[number]
        yield tell.file("pictures", "IMAGE", picture(shot["prompt"], shot["seed"]), item=number)
    yield tell.end()


def meeting_minutes(inputs: Payloads) -> Iterator[Payloads]:
    """One line for each speaker; no Gantt chart; the illustration only where it is wished for."""
    tell, given = Telling(), asked(inputs)
    speakers = given.get("speakers") or [f"Speaker {number}" for number in range(1, len(inputs["AUDIO"]) + 1)]
    lines = [
        {"start_s": 61.0 * at, "end_s": 61.0 * at + 2, "speaker": speaker, "text": f"{len(track)} bytes | *all*"}
        for at, (speaker, track) in enumerate(zip(speakers, inputs["AUDIO"], strict=True))
    ]
    failed = [{"start_s": 9.0, "end_s": 10.0, "speaker": speakers[0], "message": "internal error"}]
    told = {"speakers": speakers, "language": "English", "duration_s": 99.0, "lines": lines, "cues": lines}
    yield tell.value("transcript", {**told, "failed": failed})
    yield tell.value("day", given.get("date", "2026-11-25"))
    minutes = {
        "title": "Meeting about the plan",
        "decisions": [{"text": "the plan and the budget"}],
        "actions": [{"task": "the report", "owner": "Ben", "due": "Friday", "due_date": "2026-11-27"},
                    {"task": "the date", "owner": "Anna", "due": "soon", "due_date": None}],
        "dates": [{"date": "Monday", "event": "the meeting starts", "on": "2026-11-30"}],
    }  # fmt: skip
    yield tell.value("minutes", minutes)
    yield tell.file("timeline", "IMAGE", chart("Meeting about the plan"))
    yield tell.file("responsibilities", "IMAGE", chart("Meeting about the plan"))
    yield tell.stage("skipped", "gantt", reason="nothing to draw")
    if given.get("illustrate", True):
        yield tell.file("illustration", "IMAGE", picture("the plan", given.get("seed", 0)))
    yield tell.end()


def courseware(inputs: Payloads) -> Iterator[Payloads]:
    """The text as one slide, in English and Chinese; English is spoken."""
    tell = Telling()
    lesson = {
        "title": "Lesson: Circle",
        "slides": [{"title": "Circle", "text": inputs["TEXT"].decode(), "key_terms": ["circle", "red"]}],
        "links": [{"from": "circle", "to": "red", "label": "is"}],
    }
    chinese = {**lesson, "title": "课程", "slides": [{"title": "圆形", "text": "红色圆形。", "key_terms": ["圆形"]}]}
    yield tell.value("source", "en")
    yield tell.value("lessons", {"en": lesson, "zh": chinese})
    script = {"language": "en", "slide": 0, "text": lesson["slides"][0]["text"], "voice": "ava"}
    yield tell.value("narration", {"scripts": [script], "silent": ["zh"]})
    for number in range(2):
        yield tell.file("concepts", "IMAGE", chart("Lesson"), item=number)
    yield tell.file("speech", "AUDIO", wav(0.5), item=0)
    yield tell.end()


def product_ad(inputs: Payloads) -> Iterator[Payloads]:
    """Two variants in each voice, and one scene."""
    tell, voices = Telling(), asked(inputs).get("voices") or [None]
    variants = [{"headline": f"Variant {name}", "text": f"Buy {name}."} for name in "AB"]
    yield tell.value("product", inputs["TEXT"].decode())
    yield tell.value("advert", {"variants": variants, "scenes": ["a"]}, "json")
    readings = [
        {"variant": number, "voice": voice, "text": variant["text"]}
        for number, variant in enumerate(variants)
        for voice in voices
    ]
    yield tell.value("readings", readings)
    yield tell.value("shots", {"prompt": "a", "seed": 0}, item=0)
    for number in reversed(range(len(readings))):
        yield tell.file("speech", "AUDIO", wav(0.1 * (number + 1)), item=number)
    yield tell.file("pictures", "IMAGE", picture("a"), item=0)
    yield tell.end()


def describe_aloud(inputs: Payloads) -> Iterator[Payloads]:
    """The question, as an answer."""
    tell = Telling()
    yield tell.value("description", f"{inputs['TEXT'].decode()} A ring.", "TEXT")
    piece = {"type": "audio", "sample_rate_hz": SPEECH_RATE_HZ}
    yield tell.stage("progress", "speech", b"\1\0" * 1920, output="AUDIO", event=piece)
    yield tell.file("speech", "AUDIO", wav(0.08))
    yield tell.end()


CHAIN_SCRIPTS: dict[str, Script] = {
    "storyboard": storyboard,
    "meeting_minutes": meeting_minutes,
    "courseware": courseware,
    "product_ad": product_ad,
    "describe_aloud": describe_aloud,
}


def failing(script: Script, stage: str, after: int) -> Script:
    """The script's first answers, then `stage` fails."""

    def fail(inputs: Payloads) -> Iterator[Payloads]:
        yield from itertools.islice(script(inputs), after)
        error = {"status": "UNAVAILABLE", "message": "the queue is full"}
        tell = Telling()
        yield tell.stage("failed", stage, error=error)
        yield tell.end("failed", error={"stage": stage, **error})

    return fail
