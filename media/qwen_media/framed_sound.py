"""The sound of files that are rows of frames, in time whatever is damaged."""

import numpy as np

from qwen_media.block import Block, Blocks, Samples, joined, silence
from qwen_media.codec import Decoder
from qwen_media.framing import Frame, Framing, Hole, Tag, Trim, walk

EDGE_FRAMES = 4  # what is cut off at an edge of a file is no loss that anybody would miss


def framed_blocks(data: memoryview, framing: Framing, at: int = 0) -> Blocks:
    """All sound from `at` on."""
    return joined(_FramedSound(data, framing).blocks(at))


class _FramedSound:
    def __init__(self, data: memoryview, framing: Framing) -> None:
        self._data = data
        self._framing = framing
        self._decoder: Decoder | None = None
        self._trim: Trim | None = None
        self._num_decoded = 0  # samples since the trim was told, those it cuts included
        self._form: tuple[int, int] | None = None  # rate and channels
        self._pending_s = 0.0  # missing before the form was known
        self._num_frames = self._num_bytes = 0
        self._frame_s = 0.0

    def blocks(self, at: int) -> Blocks:
        for item in walk(self._data, self._framing, at):
            match item:
                case Tag():
                    yield from self._end()
                case Hole():
                    yield from self._silence(self._hole_s(item), is_missing=True)
                case Frame():
                    yield from self._frame(item)
        yield from self._end()

    def _frame(self, frame: Frame) -> Blocks:
        if (trim := self._framing.trim(self._data, frame)) is not None:
            yield from self._end()
            self._trim = trim
            return
        self._num_frames += 1
        self._num_bytes += frame.size
        self._frame_s = frame.duration_s
        if frame.is_silent or frame.is_bad:
            yield from self._silence(frame.duration_s, is_missing=frame.is_bad)
            return
        first = self._decoder is None
        decoder = self._decoder = self._decoder or Decoder(self._framing.codec, rate_hz=self._framing.rate_hz)
        found = decoder.decode(self._data[frame.start : frame.end])
        if found is None or not (found or first):
            yield from self._silence(frame.duration_s, is_missing=True)
        for samples, rate_hz in found or ():
            self._form = rate_hz, samples.shape[1]
            yield from self._catch_up()
            yield from self._trimmed(Block(samples, rate_hz))

    def _hole_s(self, hole: Hole) -> float:
        """How long the sound was that is not there, by the size of the frames that are."""
        if not self._num_frames:
            return 0.0
        num_frames = (hole.end - hole.start) * self._num_frames / self._num_bytes
        if hole.at_edge and (num_frames <= EDGE_FRAMES or not any(self._data[hole.start : hole.end])):
            return 0.0
        return round(num_frames) * self._frame_s

    def _silence(self, duration_s: float, *, is_missing: bool) -> Blocks:
        if self._form is None:
            self._pending_s += duration_s
            return
        rate_hz, num_channels = self._form
        for block in silence(round(duration_s * rate_hz), num_channels, rate_hz, is_missing=is_missing):
            yield from self._trimmed(block)

    def _catch_up(self) -> Blocks:
        pending_s, self._pending_s = self._pending_s, 0.0
        yield from self._silence(pending_s, is_missing=True)

    def _trimmed(self, block: Block) -> Blocks:
        """What of a block the trim leaves; a stream that goes on where the trim has it end is another one."""
        start, self._num_decoded = self._num_decoded, self._num_decoded + len(block.samples)
        trim = self._trim
        if trim is None or (trim.num_samples and start >= trim.num_samples):
            yield block
            return
        end = trim.end - start if trim.num_samples else len(block.samples)
        kept: Samples = block.samples[max(0, trim.first - start) : max(0, end)]
        if len(kept):
            yield Block(kept, block.rate_hz, min(block.missing_s, len(kept) / block.rate_hz))

    def _end(self) -> Blocks:
        """The end of a stream, and what it promised and does not have."""
        promised = self._trim.end - self._num_decoded if self._trim is not None else 0
        if self._form is not None:
            rate_hz, num_channels = self._form
            if promised / rate_hz > EDGE_FRAMES * self._frame_s:
                yield Block(np.zeros((0, num_channels), np.float32), rate_hz, promised / rate_hz)
        self._decoder, self._trim, self._num_decoded = None, None, 0
