"""The voices of the demo TTS checkpoints and their pitch, as measured with espeak-ng 1.51.

The codec's small decoder can only speak in monotone at multiples of 50 Hz (see `codec`), so every frame carries one of
five registers, and a voice has the register nearest to its pitch.
"""

import random
from dataclasses import replace

import numpy as np

from demo.training.speech import Voice

REGISTERS_HZ = (100, 150, 200, 250, 300)
FLAT_HZ = 100  # every voice reaches it (espeak-ng's lowest pitch of some is a little higher)
REACHED = 0.04  # a voice can take a register if its nearest pitch parameter is this close

PARAMETERS = (0, 25, 50, 75, 99)
RELATIVE_PITCH = (0.613, 0.776, 1.0, 1.32, 1.775)  # of espeak-ng's pitch parameter, to that of 50
# Variant -> monotone pitch at parameter 50 and how much higher the median of its natural intonation lies, in Hz.
PITCH_HZ = {
    "": (89, 13), "+m1": (83, 10), "+m2": (92, 9), "+m3": (90, 16), "+m4": (80, 13), "+m5": (89, 13), "+m6": (90, 12),
    "+m7": (90, 17), "+m8": (74, 12), "+f1": (160, 20), "+f2": (170, 25), "+f3": (178, 34), "+f4": (161, 18),
    "+f5": (183, 22),
}  # fmt: skip
UNSEEN_VARIANTS = ("+m5", "+m6", "+m8", "+f3")  # of these no training voice is made
VARIANTS = tuple(variant for variant in PITCH_HZ if variant not in UNSEEN_VARIANTS)
ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland")
ACCENT, FEMALE, MALE = "en-us", "+f2", "+m3"  # of designed voices

SPEAKERS = {  # the English ones from the highest voice to the lowest
    "ava": Voice("en-us+f2", speed_wpm=155, pitch=75),
    "clara": Voice("en-gb-scotland+f4", speed_wpm=150, pitch=60),
    "dan": Voice("en-gb-x-rp+m7", speed_wpm=155, pitch=90),
    "ben": Voice("en-gb+m3", speed_wpm=150, pitch=40),
    "mei": Voice("cmn+f2", speed_wpm=170, pitch=65),
}
SPEAKER_LANGUAGES = {**dict.fromkeys(SPEAKERS, "english"), "mei": "chinese"}


def variant_of(name: str) -> str:
    """ "+f2" of "en-us+f2"."""
    plus = name.find("+")
    return name[plus:] if plus >= 0 else ""


def monotone_hz(name: str, parameter: float) -> float:
    relative = np.exp(np.interp(parameter, PARAMETERS, np.log(RELATIVE_PITCH)))
    return float(PITCH_HZ[variant_of(name)][0] * relative)


def pitch_for_monotone(name: str, pitch_hz: float) -> int:
    """The pitch parameter that comes nearest to `pitch_hz` without intonation."""
    wanted = np.log(pitch_hz / PITCH_HZ[variant_of(name)][0])
    return round(float(np.interp(wanted, np.log(RELATIVE_PITCH), PARAMETERS)))


def natural_hz(voice: Voice) -> float:
    """Median pitch of `voice` with its natural intonation."""
    return monotone_hz(voice.name, voice.pitch) + PITCH_HZ[variant_of(voice.name)][1]


def pitch_for_natural(name: str, pitch_hz: float) -> int:
    """The pitch parameter whose natural intonation has its median nearest to `pitch_hz`."""
    return pitch_for_monotone(name, pitch_hz - PITCH_HZ[variant_of(name)][1])


def register_of(pitch_hz: float) -> int:
    """Index of the nearest of `REGISTERS_HZ`."""
    return int(np.abs(np.array(REGISTERS_HZ) - pitch_hz).argmin())


def reachable_registers(name: str) -> list[int]:
    """Registers that `name` can speak in monotone."""
    return [
        index
        for index, pitch_hz in enumerate(REGISTERS_HZ)
        if abs(monotone_hz(name, pitch_for_monotone(name, pitch_hz)) / pitch_hz - 1) < REACHED
    ]


def at_pitch(voice: Voice, pitch_hz: float) -> Voice:
    """`voice`, with the parameter that speaks at `pitch_hz` in monotone."""
    return replace(voice, pitch=pitch_for_monotone(voice.name, pitch_hz))


def _random_voice(rng: random.Random, variants: tuple[str, ...]) -> Voice:
    return Voice(rng.choice(ACCENTS) + rng.choice(variants), rng.randint(125, 205), rng.randint(0, 99))


def training_voice(rng: random.Random) -> Voice:
    """Any voice that clones are trained on."""
    return _random_voice(rng, VARIANTS)


def unseen_voice(rng: random.Random) -> Voice:
    """A voice that no training speech was made with."""
    return _random_voice(rng, UNSEEN_VARIANTS)
