"""Sound put where a file's clock has it: what is between is silence."""

import math

from qwen_media.block import Block, Blocks, Samples, silence

# Clocks of whole milliseconds and recorders that are late now and then are no reason to put silence between samples.
GAP_S = 0.05
START_S = 0.1  # codecs begin with some sound that is left out again
PAUSE_FRAMES = 4  # no packet has so many times the sound of the last frame
OVERLAP_S = 1.0  # a clock that is so far behind has begun anew
MAX_START_S = 60.0  # sound without pictures that begins later was cut out of something longer


class Placement:
    """Takes frames in order, gives blocks in time.

    `origin_s`: when the file begins, by its clock; None: with its first sound. `alone`: there is nothing but sound.
    `is_exact`: packets and frames have the same times, so that sound is missing where there are fewer frames than
    packets. `gaps_are_damage`: it is missing also where there are no packets.
    """

    def __init__(self, origin_s: float | None, *, alone: bool, is_exact: bool, gaps_are_damage: bool) -> None:
        self._origin_s = origin_s
        self._max_start_s = MAX_START_S if alone else math.inf
        self._is_exact = is_exact
        self._gaps_are_damage = gaps_are_damage
        self._form: tuple[int, int] | None = None  # rate and channels
        self.frame_s = 0.0  # of the last frame
        self._packet_end_s: float | None = None
        self._pause_s = 0.0  # between packets since silence was last put in
        self._unplaced_s = 0.0  # missing before there was any sound
        self.position_s = 0.0
        self.missing_s = 0.0

    @property
    def form(self) -> tuple[int, int] | None:
        """Rate and channels of the last sound."""
        return self._form

    def packet(self, start_s: float | None, duration_s: float) -> None:
        """Before the frames of a packet."""
        if start_s is not None and self._packet_end_s is not None:
            self._pause_s += max(0.0, start_s - self._packet_end_s)
        self._packet_end_s = None if start_s is None else start_s + self._sound_s(duration_s)

    def missing(self, duration_s: float) -> Blocks:
        """In place of a packet that is damaged."""
        if self._form is None:
            self._unplaced_s += duration_s
        else:
            yield from self._silence(self._sound_s(duration_s), is_missing=True)

    def sound(self, samples: Samples, rate_hz: int, time_s: float | None) -> Blocks:
        """A frame, and the silence before it."""
        self._form = rate_hz, samples.shape[1]
        self.frame_s = len(samples) / rate_hz
        unplaced_s, self._unplaced_s = self._unplaced_s, 0.0
        yield from self._silence(unplaced_s, is_missing=True)
        if time_s is not None:
            yield from self._wait(time_s)
        self.position_s += self.frame_s
        yield Block(samples, rate_hz)

    def _sound_s(self, duration_s: float) -> float:
        """How much of a packet's duration is sound: MP4 makes one before a pause last as long as that."""
        is_pause = duration_s > PAUSE_FRAMES * self.frame_s > 0
        return self.frame_s if is_pause or not duration_s else duration_s

    def _wait(self, time_s: float) -> Blocks:
        if self._origin_s is None:
            self._origin_s = time_s - self.position_s
        late_s = time_s - self._origin_s - self.position_s
        begins = self.position_s == 0
        if late_s < -OVERLAP_S or (begins and not START_S < late_s <= self._max_start_s):
            self._origin_s += late_s
            return
        pause_s = 0.0 if self._gaps_are_damage else self._pause_s
        is_lost = self._is_exact and late_s > pause_s + self.frame_s / 2
        if begins or is_lost or late_s > GAP_S:
            self._pause_s = 0.0
            yield from self._silence(late_s, is_missing=not begins and (is_lost or self._gaps_are_damage))

    def _silence(self, duration_s: float, *, is_missing: bool) -> Blocks:
        assert self._form is not None
        rate_hz, num_channels = self._form
        num_frames = round(duration_s * rate_hz)
        self.position_s += num_frames / rate_hz
        self.missing_s += num_frames / rate_hz if is_missing else 0.0
        yield from silence(num_frames, num_channels, rate_hz, is_missing=is_missing)
