"""What the costly requests of the tests are made of; see costly_requests.py."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

AUDIO = Path(__file__).resolve().parents[1] / "demo/audio"
SENTENCE = "the meeting starts at nine o'clock tomorrow"  # few tokens for many characters
OK = "OK"
SMALL_CHART = {"type": "bar", "categories": ["a"], "series": [{"name": "x", "values": [1]}]}
SMALL_NODE = {"function": "join_texts", "arguments": {"texts": ["a"]}}
TINY_IMAGE = {"width": 32, "height": 32, "steps": 2}
LARGEST_IMAGE = {"width": 256, "height": 256, "steps": 50}
SIXTEEN_MEGAPIXELS = (4096, 4096)

Payloads = Mapping[str, bytes | tuple[bytes, ...]]
Inputs = Callable[[], Payloads]


@dataclass(frozen=True)
class Costly:
    """One request to `model`. `limits`: the options, tensors, functions and charts that are taken to their limits.

    `times`: how often the work of the model's `NORMAL` request it asks for, about. `ends`: OK, or a regular expression
    of the beginning of its error, the status first. `held_mb`: what it has to hold besides what it is sent. `slow`: it
    takes long, so it is sent in tests/long. `holds_up`: how many times longer than beside others of this table a normal
    request may wait.
    """

    name: str
    model: str
    limits: tuple[str, ...]
    inputs: Inputs
    options: Callable[[], Mapping[str, Any]] = dict
    times: float = 1.0
    ends: str = OK
    held_mb: float = 0.0
    holds_up: float = 1.0
    slow: bool = False

    def __str__(self) -> str:
        return f"{self.model}: {self.name}"

    def payloads(self) -> Payloads:
        """What is sent."""
        return payloads(self.model, self.inputs(), self.options())


OPTIONS_TENSOR = {"aligned_transcript": "ASR_OPTIONS", "spoken_image": "IMAGE_OPTIONS"}


def payloads(model: str, inputs: Payloads, options: Mapping[str, Any]) -> Payloads:
    """All tensors of a request."""
    further = {"aligned_transcript": {"ALIGN_OPTIONS": b"{}"}, "spoken_image": {"ASR_OPTIONS": b"{}"}}.get(model, {})
    return {**further, **inputs, OPTIONS_TENSOR.get(model, "OPTIONS"): as_json(options)}


def chart(**fields: Any) -> dict[str, bytes]:
    return {"CHART": as_json(fields)}


def workflow(nodes: Mapping[str, Any], **more: Any) -> dict[str, bytes]:
    return {"WORKFLOW": as_json({"nodes": nodes, **more})}


@cache
def _sentence() -> tuple[np.ndarray, int]:
    samples, rate_hz = soundfile.read(AUDIO / "message.wav", dtype="int16")
    return samples, rate_hz


@cache
def speech(duration_s: float) -> bytes:
    """A WAV file in which one sentence is said again and again."""
    samples, rate_hz = _sentence()
    file = io.BytesIO()
    soundfile.write(file, np.resize(samples, int(duration_s * rate_hz)), rate_hz, format="WAV")
    return file.getvalue()


@cache
def quiet(duration_s: float) -> bytes:
    """A WAV file of noise in which nobody speaks."""
    rate_hz = 16_000
    file = io.BytesIO()
    noise = np.random.default_rng(0).standard_normal(int(duration_s * rate_hz)) * 0.001
    soundfile.write(file, noise, rate_hz, format="WAV")
    return file.getvalue()


def samples(duration_s: float, rate_hz: int, num_channels: int, dtype: str = "<i2") -> bytes:
    """Raw ones, of a quiet noise."""
    rng = np.random.default_rng(0)
    block = rng.standard_normal((rate_hz, num_channels))
    scaled = (block * 1000).astype(dtype) if dtype == "<i2" else (block * 0.03).astype(dtype)
    return np.resize(scaled, (int(duration_s * rate_hz), num_channels)).tobytes()


@cache
def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    """Of noise, which packs worst."""
    rng = np.random.default_rng(0)
    noise = np.resize(rng.integers(0, 256, (min(height, 256), width, 3), dtype=np.uint8), (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind, **({"compress_level": 1} if kind == "PNG" else {}))
    return file.getvalue()


@cache
def mask(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height), 255).save(file, "PNG")
    return file.getvalue()


def words(num_chars: int, word: str = "word") -> str:
    return (f"{word} " * (num_chars // (len(word) + 1) + 1))[: num_chars - 1] + "."


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
