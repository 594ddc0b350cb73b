"""MP3: headers of frames, and what encoders say of the samples they had to add."""

import re

from qwen_media import tags
from qwen_media.framing import Frame, Trim

VERSION_1, VERSION_2, VERSION_2_5 = 3, 2, 0
LAYER_3 = 1
BIT_RATES_KBPS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES_HZ = {
    VERSION_1: (44100, 48000, 32000),
    VERSION_2: (22050, 24000, 16000),
    VERSION_2_5: (11025, 12000, 8000),
}
MONO = 3
DECODER_DELAY = 529  # samples by which every decoder is late
INFO_NAMES = (b"Xing", b"Info")
ENCODERS = (b"LAME", b"Lavf", b"Lavc")  # those whose figures of added samples are right


class Mp3:
    """Layer III of MPEG 1, 2 and 2.5."""

    codec = "mp3float"
    rate_hz: int | None = None
    is_of_one_kind = True
    sync = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]|" + tags.PATTERN, re.DOTALL)

    def frame(self, data: memoryview, at: int) -> Frame | None:
        if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
            return None
        second, third = data[at + 1], data[at + 2]
        version, bit_rate, rate = second >> 3 & 3, third >> 4, third >> 2 & 3
        if version not in RATES_HZ or bit_rate in (0, 15) or rate == 3:
            return None
        first_version = version == VERSION_1
        rate_hz = RATES_HZ[version][rate]
        num_samples = 1152 if first_version else 576
        size = num_samples // 8 * BIT_RATES_KBPS[first_version][bit_rate] * 1000 // rate_hz + (third >> 1 & 1)
        return Frame(at, size, num_samples, rate_hz, (version, rate))

    def tag_bytes(self, data: memoryview, at: int) -> int:
        return tags.tag_bytes(data, at)

    def trim(self, data: memoryview, frame: Frame) -> Trim | None:
        """Of the frame that tells how many follow: its sound is silence."""
        first_version = frame.num_samples == 1152
        is_mono = data[frame.start + 3] >> 6 == MONO
        side_bytes = (17 if is_mono else 32) if first_version else (9 if is_mono else 17)
        info = bytes(data[frame.start + 4 + side_bytes : frame.end])
        if info[:4] not in INFO_NAMES or len(info) < 8:
            return None
        return _trim(info, frame.num_samples)


def _trim(info: bytes, frame_samples: int) -> Trim:
    flags, at = info[7], 8
    num_frames = int.from_bytes(info[8:12], "big") if flags & 1 else 0
    at += 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    encoder = info[at : at + 24]
    added = int.from_bytes(encoder[21:24], "big") if encoder[:4] in ENCODERS else 0
    num_samples = num_frames * frame_samples
    first = (added >> 12) + DECODER_DELAY if added else 0
    behind = max(0, (added & 0xFFF) - DECODER_DELAY) if added else 0
    return Trim(first, max(first, num_samples - behind), num_samples)
