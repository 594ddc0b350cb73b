"""What the stages of a chain made, put together from their events."""

import io
import json
import math
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from qwen_client.audio import PCM16_SCALE, AudioFormat, AudioResult, Samples
from qwen_client.chains.shortfalls import of_stages
from qwen_client.jobs import Ending
from qwen_client.pictures import Picture
from qwen_client.recipes import read_recipe
from qwen_client.short_repr import ShortRepr
from qwen_client.shortfalls import Shortfall
from qwen_wire.chains import ChainEnd, ErrorInfo, StageEvent, StageResult
from qwen_wire.errors import Cancelled, ChainFailed
from qwen_wire.transcripts import clock_time

MadeT = TypeVar("MadeT")
CHARTS = "chart_image"


@dataclass(frozen=True, repr=False)
class SpokenText(AudioResult, ShortRepr):
    """`text` spoken by `voice` (None: the server's choice): `data` is a WAV file, `language` an ISO code."""

    text: str
    language: str | None
    voice: str | None
    data: bytes

    @cached_property
    def _read(self) -> tuple[Samples, int]:
        with wave.open(io.BytesIO(self.data), "rb") as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            return pcm.astype(np.float32) / PCM16_SCALE, file.getframerate()

    @property
    def samples(self) -> Samples:
        """Mono, -1 to 1."""
        return self._read[0]

    @property
    def sample_rate(self) -> int:
        return self._read[1]

    def to_bytes(self, format: AudioFormat = "wav") -> bytes:
        """As of every `AudioResult`; WAV as it came."""
        return self.data if format == "wav" else super().to_bytes(format)


def spoken_caption(name: str, spoken: SpokenText) -> str:
    """The `name` of a recording and how long it is, as "Narration, 0:12"; "旁白 0:12"."""
    length = clock_time(math.ceil(spoken.duration_s)).removeprefix("0")
    return f"{name}, {length}" if name.isascii() else f"{name} {length}"


class Made:
    """The results among the events of a chain, by stage; `seed`: with it the chain makes the same again."""

    def __init__(self, events: Sequence[StageEvent], request_id: str, seed: int | None) -> None:
        results = [event for event in events if isinstance(event, StageResult)]
        self._results = {(event.stage, event.output, event.item): event for event in results}
        self._request_id = request_id
        self.seed = seed
        self.shortfalls: tuple[Shortfall, ...] = of_stages(events)

    def value(self, stage: str, output: str = "RESULT", item: int | None = None, default: Any = None) -> Any:
        """The JSON or text that a stage gave; `default` where it gave none."""
        found = self._results.get((stage, output, item))
        return default if found is None else found.value

    def values(self, stage: str, output: str, count: int) -> list[Any]:
        """What a stage gave for each of `count` things; None for those it did not get to."""
        return [self.value(stage, output, item) for item in range(count)]

    def items(self, stage: str) -> list[Any]:
        """What a function gave for each thing, in order, as far as it came."""
        return self.values(stage, "RESULT", sum(made_by == stage for made_by, _, _ in self._results))

    def picture(self, stage: str, item: int | None = None) -> Picture | None:
        """The picture that a stage drew."""
        found = self._results.get((stage, "IMAGE", item))
        return None if found is None else read_picture(found.payload, self._request_id, item or 0)

    def speech(
        self, stage: str, text: str, item: int | None = None, *, language: str | None = None, voice: str | None = None
    ) -> SpokenText | None:
        """The speech that a stage made of `text`."""
        found = self._results.get((stage, "AUDIO", item))
        return None if found is None else SpokenText(text, language, voice, found.payload)


def read_picture(data: bytes, request_id: str, number: int) -> Picture:
    """The picture in a file that was drawn here, as its recipe describes it; a chart's prompt is its title."""
    recipe = read_recipe(data)
    prompt = json.loads(recipe.prompt).get("title", "") if recipe.model == CHARTS else recipe.prompt
    with Image.open(io.BytesIO(data)) as image:
        file_format, (width, height) = (image.format or "").lower(), image.size
    return Picture(data, file_format, prompt, width, height, recipe.seed or 0, number, None, request_id)


def collecting(make: Callable[[Made], MadeT]) -> Callable[[Sequence[StageEvent], Ending], MadeT]:
    """A job's `collect` that has `make` put the result together.

    It raises `ChainFailed`, which holds the result, where a stage failed.
    """

    def collect(events: Sequence[StageEvent], ending: Ending) -> MadeT:
        end = ending.read(ChainEnd)
        if end.finish_reason == "cancelled":
            raise Cancelled("the server cancelled the chain", request_id=ending.request_id)
        result = make(Made(events, ending.request_id, ending.details.get("seeds", {}).get("seed")))
        if end.error is not None:
            raise chain_failed(end.error, ending.request_id, result)
        return result

    return collect


def chain_failed(error: ErrorInfo, request_id: str, result: Any) -> ChainFailed:
    """The `error` of a chain's end, with what the chain made."""
    return ChainFailed(error.stage or "", error.message, error.status, request_id, result)
