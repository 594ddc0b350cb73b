"""What can be sound: the one check of samples, wherever they come from."""

from typing import Any

import numpy as np

# Full scale is 1. Recorders that keep floats go some 30 dB beyond it, 16-bit values taken for floats far more.
LOUDEST = 100.0


def samples_fault(samples: np.ndarray[Any, Any]) -> str | None:
    """What is wrong with float samples of any shape, full scale being 1; None: nothing."""
    flat = samples.reshape(-1)
    if np.dot(flat, flat) <= LOUDEST**2:  # of all together: none is beyond it then, and this is quick
        return None
    peak = float(np.maximum(samples.max(initial=0.0), -samples.min(initial=0.0)))
    if not np.isfinite(peak):
        return "has NaN or infinite samples; send finite samples, of which full scale is 1"
    if peak > LOUDEST:
        return (
            f"has a sample of {peak:g}, but full scale is 1, and the limit {LOUDEST:g}; "
            "divide 16-bit values by 32768, or send them as 16-bit integers"
        )
    return None
