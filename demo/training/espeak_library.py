"""espeak-ng from its library, for tens of thousands of utterances: a quarter of the cost of a program a text.

What the library says depends a little on what it said before (a few samples of phase and pause), so
`demo.training.speech` stays the reference where the same call must give the same samples.
"""

import ctypes
import functools
import itertools
from typing import ClassVar

import numpy as np
import soxr

from demo.training.speech import Voice

LIBRARY = "libespeak-ng.so.1"
SYNCHRONOUS, UTF8_END_PAUSE, POSITION_CHARACTER = 2, 0x1001, 1  # constants of speak_lib.h
RATE, PITCH, PITCH_RANGE = 1, 3, 4
NATURAL, MONOTONE = 50, 0  # intonation
WORD, LAST_EVENT = 1, 0  # event types


class Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_: ClassVar = [
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # of a letter, from 1
        ("length", ctypes.c_int),
        ("time_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))


class Espeak:
    """The library's one global synthesiser; not thread-safe."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self._rate_hz = self._library.espeak_Initialize(SYNCHRONOUS, 0, None, 0)
        self._parts: list[np.ndarray] = []
        self.word_starts: list[tuple[int, float]] = []  # (index of the first letter, time in s) of what was said last
        self._callback = CALLBACK(self._collect)  # kept: the library holds only a pointer
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[Event]") -> int:
        if samples and count:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for event in itertools.takewhile(
            lambda event: event.type != LAST_EVENT, (events[i] for i in itertools.count())
        ):
            if event.type == WORD:
                self.word_starts.append((event.text_position - 1, event.time_ms / 1000))
        return 0

    def speak(self, text: str, voice: Voice, *, sample_rate_hz: int, intonation: int = NATURAL) -> np.ndarray:
        """Mono float32 in [-1, 1]."""
        self._parts.clear()
        self.word_starts.clear()
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
