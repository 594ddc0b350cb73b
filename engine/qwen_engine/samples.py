"""The check of samples, as the engine tells of it."""

import numpy as np

from qwen_media.samples import samples_fault
from qwen_wire.errors import InvalidRequest


def check_samples(samples: np.ndarray, name: str = "AUDIO") -> None:
    """Raise `InvalidRequest` for samples that are no sound: NaN, infinite, or of another scale than 1."""
    if fault := samples_fault(samples):
        raise InvalidRequest(f"{name} {fault}")
