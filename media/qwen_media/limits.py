"""How much sound a file may hold: checked as soon as it is told, and while it is decoded, whatever was told."""

from dataclasses import dataclass

from qwen_media.block import Blocks
from qwen_media.errors import BadMedia
from qwen_media.samples import samples_fault

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000
MAX_CHANNELS = 64
# Two channels of 96 kHz, or eight of 24 kHz, all the time that is allowed; shorter files may hold more of them.
SAMPLES_PER_S = 192_000
ROUNDING_S = 1e-6


@dataclass(frozen=True)
class SoundLimits:
    """Of one file."""

    max_s: float

    @property
    def max_samples(self) -> int:
        """Of all channels together."""
        return int(self.max_s * SAMPLES_PER_S)

    def check_form(self, rate_hz: int, num_channels: int, num_frames: int = 0) -> None:
        """Raise `BadMedia` for a rate, a number of channels, or a length that is told, beyond what is allowed."""
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise BadMedia(f"has a sample rate of {rate_hz} Hz; allowed: {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
        if not 1 <= num_channels <= MAX_CHANNELS:
            raise BadMedia(f"has {num_channels} channels; allowed: 1 to {MAX_CHANNELS}")
        self._check_amount(num_frames / rate_hz, num_frames * num_channels)

    def watch(self, blocks: Blocks) -> Blocks:
        """The blocks, as long as they are within the limits, and sound."""
        duration_s, num_samples = 0.0, 0
        form: tuple[int, int] | None = None
        for block in blocks:
            if form != (form := (block.rate_hz, block.num_channels)):
                self.check_form(*form)
            duration_s += block.duration_s
            num_samples += block.samples.size
            self._check_amount(duration_s, num_samples)
            if fault := samples_fault(block.samples):
                raise BadMedia(fault)
            yield block

    def _check_amount(self, duration_s: float, num_samples: int) -> None:
        if duration_s > self.max_s + ROUNDING_S:
            raise BadMedia(f"is longer than the limit of {self.max_s:g} s")
        if num_samples > self.max_samples:
            raise BadMedia(
                f"has more than {self.max_samples} samples in all channels together, which is the limit; "
                "send fewer channels, a lower rate, or less at once"
            )
