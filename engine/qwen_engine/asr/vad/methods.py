"""The ways to find speech that a profile can name."""

import functools

from qwen_engine.asr.settings import VadMethod
from qwen_engine.asr.vad.activity import Detector
from qwen_engine.asr.vad.energy import EnergyDetector


@functools.cache
def detector_of(method: VadMethod) -> Detector:
    """One detector for all recordings and streams of a process.

    Raises:
        FileNotFoundError: it needs a package that is not installed.
    """
    if method == "energy":
        return EnergyDetector()
    from qwen_engine.asr.vad.silero import SileroDetector  # needs torch, and loads weights

    return SileroDetector()
