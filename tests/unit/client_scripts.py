"""What the scripted server answers in the client's tests: one well-behaved script a model."""

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from fake_triton import Payloads, Script
from PIL import Image

SAMPLE_RATE_HZ = 24_000
SAMPLES_PER_FRAME = 1_920
TIMINGS = {"queue_s": 0.001, "first_event_s": 0.25, "total_s": 0.5}
ENDING = {"finish_reason": "stop", "timings": TIMINGS}
SPEECH_ENDING = {**ENDING, "audio_s": 0.08, "real_time_factor": 0.1, "underrun_s": 0.0, "cut_by": None}
STEPS = 3


def event(index: int, kind: str, **fields: Any) -> bytes:
    return json.dumps({"index": index, "type": kind, **fields}).encode()


def transcript(inputs: Payloads) -> Iterator[Payloads]:
    """Hears its own input: the text is the audio's length, so that tests can tell requests apart."""
    text = f"{len(inputs['AUDIO'])} bytes"
    segments = [{"start_s": 0.0, "end_s": 2.5, "text": text}]
    result = {"language": "English", "duration_s": 2.5, "segments": segments, **ENDING}
    yield {"TEXT": text.encode(), "RESULT": json.dumps(result).encode()}


def frame(index: int) -> np.ndarray:
    """The PCM16 samples of the frame with this index."""
    return np.full(SAMPLES_PER_FRAME, (index + 1) * 1000, "<i2")


def audio_event(index: int) -> Payloads:
    told = event(index, "audio", frames=index + 1, elapsed_s=0.25, sample_rate_hz=SAMPLE_RATE_HZ)
    return {"AUDIO": frame(index).tobytes(), "EVENT": told}


def speech(inputs: Payloads) -> Iterator[Payloads]:
    """One frame for each word."""
    num_frames = len(inputs["TEXT"].split())
    for index in range(num_frames):
        yield audio_event(index)
    yield {"AUDIO": b"", "EVENT": event(num_frames, "end", **SPEECH_ENDING)}


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "PNG")
    return file.getvalue()


def progress_event(index: int) -> Payloads:
    return {"IMAGE": b"", "TEXT": b"", "EVENT": event(index, "progress", step=index + 1, steps=STEPS)}


def _drawn(prompt: bytes, options: dict[str, Any]) -> Iterator[Payloads]:
    width, height = options.get("width", 64), options.get("height", 64)
    yield from map(progress_event, range(STEPS))
    made = event(STEPS, "image", width=width, height=height, seed=options.get("seed", 0))
    yield {"IMAGE": png(width, height), "TEXT": prompt, "EVENT": made}
    yield {"IMAGE": b"", "TEXT": b"", "EVENT": event(STEPS + 1, "end", **ENDING)}


def picture(inputs: Payloads) -> Iterator[Payloads]:
    return _drawn(inputs["PROMPT"], json.loads(inputs["OPTIONS"]))


def spoken_picture(inputs: Payloads) -> Iterator[Payloads]:
    heard = f"{len(inputs['AUDIO'])} bytes"
    return _drawn(heard.encode(), json.loads(inputs["IMAGE_OPTIONS"]))


SCRIPTS: dict[str, Script] = {
    "qwen3_asr": transcript,
    "qwen3_tts": speech,
    "qwen_image": picture,
    "spoken_image": spoken_picture,
}
