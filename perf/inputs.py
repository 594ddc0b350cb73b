"""The requests that load tests send: perf/data/MODEL.json, in perf_analyzer's format.

payloads("qwen3_tts", "TEXT")     # [b"Good morning, everyone.", ...]
payloads("qwen3_asr", "AUDIO")    # FLAC files
"""

import base64
import json
import struct
from pathlib import Path
from typing import TypeAlias

Content: TypeAlias = list[str] | dict[str, str]
Entry: TypeAlias = dict[str, Content]

DATA = Path(__file__).parent / "data"
LENGTH = struct.Struct("<I")


def input_file(model: str) -> Path:
    return DATA / f"{model}.json"


def load(model: str) -> list[Entry]:
    """One entry a request: what it sends by tensor name."""
    entries: list[Entry] = json.loads(input_file(model).read_text())["data"]
    return entries


def payloads(model: str, tensor: str) -> list[bytes]:
    """What the requests send as `tensor`."""
    return [decode(entry[tensor]) for entry in load(model)]


def text(payload: str) -> Content:
    return [payload]


def binary(payload: bytes) -> Content:
    """`b64` is taken for the bytes of the tensor, not of its item: they begin with the item's length."""
    return {"b64": base64.b64encode(LENGTH.pack(len(payload)) + payload).decode()}


def decode(content: Content) -> bytes:
    """Undo `text` or `binary`."""
    if isinstance(content, list):
        return content[0].encode()
    tensor = base64.b64decode(content["b64"])
    (length,) = LENGTH.unpack_from(tensor)
    item = tensor[LENGTH.size :]
    assert len(item) == length, f"the item says it has {length} bytes and has {len(item)}"
    return item
