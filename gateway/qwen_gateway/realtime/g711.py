"""ITU-T G.711, the codec of telephones: µ-law (pcmu) and A-law (pcma), each a table in both directions."""

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Law = Literal["pcmu", "pcma"]
Samples: TypeAlias = npt.NDArray[np.int16]

BIAS, CLIP = 0x84, 32_635  # of µ-law, by which its segments begin at powers of two


def decode(data: bytes, law: Law) -> Samples:
    """The samples of coded bytes."""
    return DECODED[law][np.frombuffer(data, np.uint8)]


def encode(samples: Samples, law: Law) -> bytes:
    """A byte for each sample."""
    return ENCODED[law][samples.view(np.uint16)].tobytes()


def _mu_law_samples() -> Samples:
    codes = ~np.arange(256) & 0xFF
    magnitudes = ((((codes & 0xF) << 3) + BIAS) << ((codes & 0x70) >> 4)) - BIAS
    return np.where(codes & 0x80, -magnitudes, magnitudes).astype(np.int16)


def _mu_law_codes(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    magnitudes = np.minimum(np.abs(samples), CLIP) + BIAS
    segments = np.floor(np.log2(magnitudes)).astype(int) - 7
    codes = (np.where(samples < 0, 0x80, 0)) | segments << 4 | magnitudes >> (segments + 3) & 0xF
    coded: npt.NDArray[np.uint8] = (~codes & 0xFF).astype(np.uint8)
    return coded


def _a_law_samples() -> Samples:
    codes = np.arange(256) ^ 0x55  # every second bit is inverted
    segments = (codes & 0x70) >> 4
    magnitudes = ((codes & 0xF) << 4) + np.where(segments, 0x108, 8)
    magnitudes <<= np.maximum(segments - 1, 0)
    return np.where(codes & 0x80, magnitudes, -magnitudes).astype(np.int16)


def _a_law_codes(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    magnitudes = np.where(samples < 0, -samples - 1, samples) >> 3  # 13 bits
    segments = np.maximum(np.floor(np.log2(np.maximum(magnitudes, 1))).astype(int) - 4, 0)
    codes = segments << 4 | magnitudes >> np.maximum(segments, 1) & 0xF
    coded: npt.NDArray[np.uint8] = (codes ^ np.where(samples < 0, 0x55, 0xD5)).astype(np.uint8)
    return coded


ALL = np.arange(1 << 16).astype(np.uint16).view(np.int16).astype(np.int64)  # as `encode` counts them
DECODED: dict[Law, Samples] = {"pcmu": _mu_law_samples(), "pcma": _a_law_samples()}
ENCODED: dict[Law, npt.NDArray[np.uint8]] = {"pcmu": _mu_law_codes(ALL), "pcma": _a_law_codes(ALL)}
