"""espeak-ng from its library, for tens of thousands of utterances: a quarter of the cost of a program a text.

What the library says depends a little on what it said before (a few samples of phase and pause), so
`demo.training.speech` stays the reference where the same call must give the same samples.
"""

import ctypes
import functools

import numpy as np
import soxr

from demo.training.speech import Voice

LIBRARY = "libespeak-ng.so.1"
SYNCHRONOUS, UTF8_END_PAUSE, POSITION_CHARACTER = 2, 0x1001, 1  # constants of speak_lib.h
RATE, PITCH, PITCH_RANGE = 1, 3, 4
NATURAL, MONOTONE = 50, 0  # intonation
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The library's one global synthesiser; not thread-safe."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self._rate_hz = self._library.espeak_Initialize(SYNCHRONOUS, 0, None, 0)
        self._parts: list[np.ndarray] = []
        self._callback = CALLBACK(self._collect)  # kept: the library holds only a pointer
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if samples and count:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def speak(self, text: str, voice: Voice, *, sample_rate_hz: int, intonation: int = NATURAL) -> np.ndarray:
        """Mono float32 in [-1, 1]."""
        self._parts.clear()
        self._library.espeak_SetVoiceByName(voice.name.encode())
        self._library.espeak_SetParameter(RATE, voice.speed_wpm, 0)
        self._library.espeak_SetParameter(PITCH, voice.pitch, 0)
        self._library.espeak_SetParameter(PITCH_RANGE, intonation, 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, POSITION_CHARACTER, 0, UTF8_END_PAUSE, None, None)
        samples = np.concatenate(self._parts).astype(np.float32) / 32768
        return soxr.resample(samples, self._rate_hz, sample_rate_hz)


@functools.cache
def espeak() -> Espeak:
    """This process's synthesiser."""
    return Espeak()
