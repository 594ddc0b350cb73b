"""What a designed voice is told, and which voices of espeak-ng obey it.

One instruction in ten is held out by a hash of its words: evaluation meets combinations that training never did.
"""

import hashlib
import random
from dataclasses import dataclass

from demo.training.corpus import NUM_PARTS
from demo.training.speech import Voice
from demo.training.tts_voices import ACCENT, FEMALE, MALE, natural_hz, pitch_for_natural

PITCHES = {
    "high": ("a high voice", "a high-pitched voice", "a high tone", "a high pitch", "a very high voice"),
    "low": ("a low voice", "a low-pitched voice", "a deep voice", "a low tone", "a low pitch", "a very deep voice"),
}
SPEEDS = {
    "fast": ("speaking fast", "speaking quickly", "at a fast pace", "at high speed", "talking fast"),
    "slow": ("speaking slowly", "speaking slow", "at a slow pace", "at low speed", "talking slowly"),
}
BOTH_FRAMES = ("{pitch}, {speed}", "{pitch} {speed}", "{speed}, with {pitch}", "use {pitch}, {speed}")
PITCH_FRAMES = ("{pitch}", "speak with {pitch}", "use {pitch}", "please use {pitch}")
SPEED_FRAMES = ("{speed}", "a voice {speed}", "someone {speed}", "please use a voice {speed}")
PITCH_RANGE_HZ = {"high": (235, 310), "low": (68, 120)}
SPEED_RANGE_WPM = {"fast": (195, 225), "slow": (110, 128), None: (150, 165)}


@dataclass(frozen=True)
class Instruction:
    """What is asked for, and in which words."""

    text: str
    pitch: str | None
    speed: str | None

    @property
    def held_out(self) -> bool:
        return int(hashlib.sha256(self.text.encode()).hexdigest(), 16) % NUM_PARTS == 0


def draw_instruction(rng: random.Random) -> Instruction:
    """Pitch, speed or, in two of three cases, both; one in three without its full stop."""
    asked = rng.choice(("both", "both", "both", "both", "pitch", "speed"))
    pitch = rng.choice(tuple(PITCHES)) if asked != "speed" else None
    speed = rng.choice(tuple(SPEEDS)) if asked != "pitch" else None
    frame = rng.choice({"both": BOTH_FRAMES, "pitch": PITCH_FRAMES, "speed": SPEED_FRAMES}[asked])
    words = frame.format(
        pitch=rng.choice(PITCHES[pitch]) if pitch else "", speed=rng.choice(SPEEDS[speed]) if speed else ""
    )
    return Instruction(words[0].upper() + words[1:] + rng.choice((".", ".", "")), pitch, speed)


def instructions(count: int, *, seed: int, held_out: bool) -> list[Instruction]:
    """`count` instructions of one side of the split."""
    rng = random.Random(seed)
    found: list[Instruction] = []
    while len(found) < count:
        drawn = draw_instruction(rng)
        if drawn.held_out == held_out:
            found.append(drawn)
    return found


def obedient_voice(instruction: Instruction, rng: random.Random) -> Voice:
    """A voice that does what is asked; what is left open stays in the middle."""
    speed_wpm = rng.randint(*SPEED_RANGE_WPM[instruction.speed])
    if instruction.pitch is None:
        name = ACCENT + rng.choice((FEMALE, MALE))
        return Voice(name, speed_wpm, pitch=50)
    name = ACCENT + (FEMALE if instruction.pitch == "high" else MALE)
    lowest_hz, highest_hz = PITCH_RANGE_HZ[instruction.pitch]
    return Voice(name, speed_wpm, pitch_for_natural(name, rng.uniform(lowest_hz, highest_hz)))


def is_high(voice: Voice) -> bool:
    """Above the middle between what "high" and what "low" is taught as."""
    return natural_hz(voice) > (PITCH_RANGE_HZ["low"][1] + PITCH_RANGE_HZ["high"][0]) / 2
