"""Answers as tests/recorded tells them: every tensor by name. BYTES of shape [1, 1] are told by their content alone,
anything else by type, shape and items.

Text and JSON are kept as they are, but for the values in `VOLATILE`, which change from run to run: "*" stands in their
place. Sound and pictures differ in their last bits from one processor to another: of them there are form, size, recipe
and a coarse likeness, which `differences` compares with some tolerance.
"""

import io
import json
import wave
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import PIL.Image
from tritonclient.grpc import service_pb2

LENGTH_BYTES = 4
VOLATILE = {
    "token",
    "trace_id",
    "created",
    "time_s",
    "elapsed_s",
    "eta_s",
    "first_token_s",
    "real_time_factor",
    "underrun_s",
    "cached_tokens",
}
VOLATILE_IN = {"timings": None, "record": {"start_s", "end_s", "digest"}}  # None: all values
SHORTEST_FILE = 200  # characters of base64; no chat piece is as long
STRETCHES = 4
LEVEL_TOLERANCE = 200  # of 32767, and a tenth
GRID = 4
COLOUR_TOLERANCE = 4  # of 255
NUMBERS = {"INT32": np.int32, "UINT32": np.uint32}


def told(response: service_pb2.ModelInferResponse) -> dict[str, Any]:
    """The response's outputs: type, shape and items by name."""
    pairs = zip(response.outputs, response.raw_output_contents, strict=True)
    return {output.name: _output(output, content) for output, content in pairs}


def _output(output: Any, content: bytes) -> Any:
    if output.datatype == "BYTES":
        items = [_item(output.name, item) for item in _split(content)]
    else:
        items = np.frombuffer(content, NUMBERS[output.datatype]).tolist()
    if output.datatype == "BYTES" and output.shape == [1, 1]:
        return items[0]
    return {"type": output.datatype, "shape": list(output.shape), "items": items}


def _split(content: bytes) -> Iterator[bytes]:
    while content:
        end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
        yield content[LENGTH_BYTES:end]
        content = content[end:]


def _item(name: str, item: bytes) -> Any:
    if not item:
        return ""
    if name in ("EVENT", "RESULT", "TRANSCRIPT"):
        return _masked(json.loads(item))
    return content(item) if name in ("AUDIO", "IMAGE", "PAYLOAD") else item.decode()


def _masked(value: Any, within: str = "") -> Any:
    if isinstance(value, list):
        return [_masked(item, within) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _field(name, item, within) for name, item in value.items()}


def _field(name: str, value: Any, within: str) -> Any:
    if name in VOLATILE or (within and (VOLATILE_IN[within] is None or name in VOLATILE_IN[within])):
        return "*"
    if name == "payload" and isinstance(value, str):
        return content(value.encode())
    return _masked(value, name if name in VOLATILE_IN else within)


def content(data: bytes) -> Any:
    """Of a payload, told by its first bytes: a picture, a WAV file, text, base64 of one of these, or raw samples."""
    if data.startswith((b"\x89PNG", b"\xff\xd8")) or data[8:12] == b"WEBP":
        return picture(data)
    if data[8:12] == b"WAVE":
        with wave.open(io.BytesIO(data)) as file:
            form = [file.getframerate(), file.getnchannels(), file.getsampwidth()]
            return {"wav": form, **sound(file.readframes(file.getnframes()))}
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return sound(data)
    if "\0" in text:
        return sound(data)
    return {"base64": content(b64decode(text))} if len(text) > SHORTEST_FILE and text.isascii() else text


def sound(data: bytes) -> dict[str, Any]:
    """Of 16-bit mono samples: how many, and the level (RMS) of stretches of equal length."""
    samples = np.frombuffer(data, "<i2").astype(float)
    levels = [int(np.sqrt(np.mean(stretch**2))) for stretch in np.array_split(samples, STRETCHES) if len(stretch)]
    return {"samples": len(samples), "levels": levels}


def picture(data: bytes) -> dict[str, Any]:
    """Form, size, recipe and the mean colours of a grid of fields, row by row."""
    with PIL.Image.open(io.BytesIO(data)) as image:
        small = np.asarray(image.convert("RGB").resize((GRID, GRID), PIL.Image.Resampling.BOX))
        recipe = image.info.get("qwen_recipe")
        known = {"recipe": json.loads(recipe)} if recipe else {}
        return {"picture": image.format, "size": list(image.size), **known, "colours": small.tobytes().hex(" ", 3)}


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Where two answers differ, each as `path: expected, found`; empty where they do not."""
    if isinstance(expected, dict) and isinstance(found, dict):
        names = sorted({*expected, *found})
        return [line for name in names for line in _compare(name, expected, found, f"{path}.{name}")]
    if isinstance(expected, list) and isinstance(found, list):
        pairs = enumerate(zip(expected, found, strict=False))
        lines = [line for number, (one, other) in pairs for line in differences(one, other, f"{path}[{number}]")]
        more = [f"{path}: expected {len(expected)} items, found {len(found)}"] if len(expected) != len(found) else []
        return [*more, *lines]
    if type(expected) is type(found) and expected == found:
        return []
    return [f"{path}: expected {_short(expected)}, found {_short(found)}"]


def _compare(name: str, expected: dict[str, Any], found: dict[str, Any], path: str) -> list[str]:
    if name not in expected or name not in found:
        return [f"{path} is {'new' if name in found else 'missing'}"]
    if name in ALIKE and ALIKE[name](expected[name], found[name]):
        return []
    return differences(expected[name], found[name], path)


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:300]


def _same_levels(expected: list[int], found: list[int]) -> bool:
    return len(expected) == len(found) and np.allclose(expected, found, rtol=0.1, atol=LEVEL_TOLERANCE)


def _same_colours(expected: str, found: str) -> bool:
    one, other = (np.frombuffer(bytes.fromhex(text), np.uint8).astype(int) for text in (expected, found))
    return one.shape == other.shape and bool(np.abs(one - other).max() <= COLOUR_TOLERANCE)


ALIKE: dict[str, Callable[[Any, Any], bool]] = {"levels": _same_levels, "colours": _same_colours}
