"""The frame step and the codec as CUDA graphs: a frame is some two thousand small kernels.

There is a graph for each number of rows (a bucket) and each length of the cache that is read. Rows without an
utterance are computed too: they write to free slots, which the next prompt overwrites. Sizes without a graph run
without.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import torch

from qwen_engine.graphs import Capture, Run, bucket, bucket_sizes, to_device
from qwen_engine.sampling import RowSampler, Sampling
from qwen_engine.tts.codec import StreamingCodec
from qwen_engine.tts.speech import HIGH_LOAD_FRAMES, LOW_LOAD_FRAMES
from qwen_engine.tts.talker import Talker

Samplers: TypeAlias = tuple[RowSampler, RowSampler]

SHORTEST_LENGTH = 256
MAX_CODEC_FRAMES = 128  # of all streams together: beyond them the kernels take longer than their launches


class GraphedTalker:
    """A `Talker` whose frames come from graphs, for batches whose sampling is like one of `samplings`.

    Example:
        greedy = Sampling(temperature=0.0)
        talker = GraphedTalker(talker, [(greedy, greedy)], num_slots=64, capture=CudaCapture(talker.device))
    """

    def __init__(
        self, talker: Talker, samplings: Iterable[tuple[Sampling, Sampling]], *, num_slots: int, capture: Capture
    ) -> None:
        self._talker = talker
        self.device, self.length = talker.device, talker.length
        self._buckets = bucket_sizes(1, num_slots)
        self._lengths = bucket_sizes(SHORTEST_LENGTH, talker.length)
        with torch.inference_mode():
            self._allocate(num_slots)
            self._advances = {
                (rows, length): capture(partial(self._advance, rows, length))
                for rows in self._buckets
                for length in self._lengths
            }
            self._draws: dict[tuple[object, ...], tuple[Samplers, Run]] = {}
            for sampling in samplings:
                for rows in self._buckets:
                    samplers = talker.samplers([sampling] * rows)
                    self._draws[_kind(samplers, rows)] = samplers, capture(partial(self._draw, rows, samplers))

    @torch.inference_mode()
    def samplers(self, rows: Sequence[tuple[Sampling, Sampling]]) -> Samplers:
        """As `Talker.samplers`; those of a graph are the graph's own buffers, filled with the values of `rows`."""
        num_rows = bucket(self._buckets, len(rows))
        padded = self._talker.samplers([*rows, *[rows[-1]] * (num_rows - len(rows))])
        captured = self._draws.get(_kind(padded, num_rows))
        if captured is None:
            return self._talker.samplers(rows)
        samplers, _ = captured
        for buffers, values in zip(samplers, padded, strict=True):
            _fill(buffers, values)
        return samplers

    def prefill(self, prompts: Sequence[torch.Tensor], first_row: int) -> None:
        """As `Talker.prefill`."""
        self._talker.prefill(prompts, first_row)

    def advance(self, text: torch.Tensor, positions: Sequence[int]) -> None:
        """As `Talker.advance`."""
        num_rows = len(positions)
        self._text[:num_rows] = text
        idle = [0] * (len(self._positions) - num_rows)
        self._positions.copy_(to_device(torch.tensor([*positions, *idle]), self.device))
        self._advances[bucket(self._buckets, num_rows), bucket(self._lengths, max(positions) + 1)]()

    def draw(self, samplers: Samplers, uniforms: torch.Tensor, fresh: torch.Tensor) -> torch.Tensor:
        """As `Talker.draw`, with the result of `self.samplers` for these rows; valid until the next call."""
        num_rows = len(uniforms)
        captured, replay = self._draws.get(_kind(samplers, bucket(self._buckets, num_rows)), (None, None))
        if replay is None or captured is not samplers:
            return self._talker.draw(samplers, uniforms, fresh)
        self._uniforms[:num_rows] = uniforms
        self._fresh[:num_rows] = fresh
        replay()
        return self._drawn[:num_rows]

    def move(self, source: int, target: int, length: int) -> None:
        """As `Talker.move`."""
        self._talker.move(source, target, length)

    def _allocate(self, num_slots: int) -> None:
        config, device = self._talker.config, self.device
        self._text = torch.zeros_like(self._talker._hidden)
        self._positions = torch.zeros(num_slots, dtype=torch.int64, device=device)
        self._uniforms = torch.zeros(num_slots, config.num_groups, device=device)
        self._fresh = torch.zeros(num_slots, dtype=torch.bool, device=device)
        self._drawn = torch.zeros(num_slots, config.num_groups, dtype=torch.int64, device=device)

    def _advance(self, num_rows: int, length: int) -> None:
        talker = self._talker
        hidden = talker.frames(talker._codes[:num_rows]) + self._text[:num_rows]
        talker._hidden[:num_rows] = talker._decoder.step(hidden[:, None], self._positions[:num_rows], length)[:, 0]

    def _draw(self, num_rows: int, samplers: Samplers) -> None:
        self._drawn[:num_rows] = self._talker.draw(samplers, self._uniforms[:num_rows], self._fresh[:num_rows])


class GraphedCodec:
    """A `StreamingCodec` with graphs for chunks of `chunk_frames`.

    A graph with more streams than needed repeats the last one: each copy writes the same into the same slot.
    """

    def __init__(self, codec: StreamingCodec, chunk_frames: Iterable[int], *, num_slots: int, capture: Capture) -> None:
        self._codec = codec
        self.device, self.config = codec.device, codec.config
        self._buckets = bucket_sizes(1, num_slots)
        with torch.inference_mode():
            self._graphs = {
                (streams, frames): _CodecGraph(codec, streams, frames, capture)
                for frames in chunk_frames
                for streams in self._buckets
                if streams * frames <= MAX_CODEC_FRAMES
            }

    @torch.inference_mode()
    def decode(self, codes: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """As `StreamingCodec.decode`."""
        num_streams, num_frames, _ = codes.shape
        graph = self._graphs.get((bucket(self._buckets, num_streams), num_frames))
        return self._codec.decode(codes, slots) if graph is None else graph.decode(codes, slots)


class _CodecGraph:
    def __init__(self, codec: StreamingCodec, num_streams: int, num_frames: int, capture: Capture) -> None:
        self._codec = codec
        device, num_samples = codec.device, num_frames * codec.samples_per_frame
        self._codes = torch.zeros(num_streams, num_frames, codec.config.num_groups, dtype=torch.int64, device=device)
        self._slots = torch.zeros(num_streams, dtype=torch.int64, device=device)
        self._samples = torch.zeros(num_streams, num_samples, dtype=codec._tables.dtype, device=device)
        self._replay = capture(self._run)

    def decode(self, codes: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        for buffer, values in ((self._codes, codes), (self._slots, slots)):
            buffer[: len(values)] = values
            buffer[len(values) :] = values[-1]
        self._replay()
        return self._samples[: len(codes)].clone()

    def _run(self) -> None:
        self._samples.copy_(self._codec.decode(self._codes, self._slots))


def graphed(
    talker: Talker, codec: StreamingCodec, *, num_slots: int, capture: Capture
) -> tuple[GraphedTalker, GraphedCodec]:
    """Graphs for most requests: the checkpoint's own sampling, greedy sampling, chunks of the default sizes.

    Temperatures may differ from request to request, and so may their repetition penalties.
    """
    usual = talker.config.sampling, talker.config.sub_sampling
    greedy = replace(usual[0], temperature=0.0), replace(usual[1], temperature=0.0)
    chunk_frames = sorted({*LOW_LOAD_FRAMES, *HIGH_LOAD_FRAMES})
    return (
        GraphedTalker(talker, [usual, greedy], num_slots=num_slots, capture=capture),
        GraphedCodec(codec, chunk_frames, num_slots=num_slots, capture=capture),
    )


def _kind(samplers: Samplers, num_rows: int) -> tuple[object, ...]:
    """What is fixed when a draw is captured: all but the tensors of the samplers."""
    fixed = [value for one in samplers for value in vars(one).values() if not isinstance(value, torch.Tensor)]
    return (num_rows, *fixed)


def _fill(buffers: RowSampler, values: RowSampler) -> None:
    for buffer, value in zip(vars(buffers).values(), vars(values).values(), strict=True):
        if isinstance(buffer, torch.Tensor):
            buffer.copy_(value)
