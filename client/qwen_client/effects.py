"""Faster, slower, higher, lower: by FFmpeg's filters."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from qwen_client.audio import Samples
from qwen_client.extras import audio_extra
from qwen_wire.errors import InvalidRequest

if TYPE_CHECKING:
    from av.filter import Graph

FACTORS = (0.5, 2.0)
# The tempo filter keeps up to a window of its input back at the end: silence pushes the last sound out of it.
PADDING_S = 0.2


def change(samples: Samples, sample_rate: int, *, speed: float, pitch: float) -> Samples:
    """Mono samples, [n] to [round(n / speed)], at the same rate.

    Raises:
        InvalidRequest: a factor outside 0.5 to 2.
    """
    for name, factor in (("speed", speed), ("pitch", pitch)):
        if not FACTORS[0] <= factor <= FACTORS[1]:
            raise InvalidRequest(f"{name} is {factor}: give {FACTORS[0]} to {FACTORS[1]:g}")
    if speed == pitch == 1.0 or not len(samples):
        return samples
    filters = [*_repitch(sample_rate, pitch), *_tempo(speed / pitch)]
    padded = np.pad(samples, (0, round(PADDING_S * sample_rate)))
    changed = _filtered(padded, sample_rate, filters)
    return changed[: round(len(samples) / speed)]


def _repitch(sample_rate: int, pitch: float) -> list[tuple[str, str]]:
    """Play it at another rate, as a tape: higher and shorter."""
    return [("asetrate", str(round(sample_rate * pitch))), ("aresample", str(sample_rate))]


def _tempo(factor: float) -> list[tuple[str, str]]:
    """Shorter at the same pitch; in two equal steps where one would be more than the filter does well."""
    num_steps = 1 if FACTORS[0] <= factor <= FACTORS[1] else 2
    return [("atempo", f"{factor ** (1 / num_steps):.9f}")] * num_steps


def _filtered(samples: Samples, sample_rate: int, filters: Sequence[tuple[str, str]]) -> Samples:
    with audio_extra("changes speed and pitch"):
        import av  # FFmpeg loads with it; only who changes speech needs it

    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=sample_rate, format="flt", layout="mono", time_base=Fraction(1, sample_rate))
    graph.link_nodes(source, *(graph.add(name, value) for name, value in filters), graph.add("abuffersink"))
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = sample_rate
    graph.push(frame)
    graph.push(None)  # no more to come
    return np.concatenate(list(_frames(graph)))


def _frames(graph: "Graph") -> Iterator[Samples]:
    from av.error import EOFError as EndOfStream

    while True:
        try:
            yield graph.pull().to_ndarray()[0]
        except EndOfStream:
            return
