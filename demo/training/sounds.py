"""Sounds that nobody speaks in, made up with fixed seeds: float32 (n,) at 16 kHz, of mean square 1."""

import numpy as np

SAMPLE_RATE_HZ = 16000
# Of a transformer or a dimmer: harmonics of the mains far into the speech band.
BUZZ = (1, 0.5, 0.6, 0.3, 0.4, 0.2, 0.3, 0.15, 0.2, 0.1, 0.15, 0.08, 0.1, 0.05, 0.08, 0.04, 0.06, 0.03, 0.05, 0.03)
DTMF_HZ = ((697, 770, 852, 941), (1209, 1336, 1477, 1633))
CHORDS_HZ = ((261.6, 329.6, 392.0), (220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7))
BEAT_S = 0.55


def times_s(length: int) -> np.ndarray:
    return np.arange(length) / SAMPLE_RATE_HZ


def scaled(samples: np.ndarray) -> np.ndarray:
    """To mean square 1."""
    return (samples / np.sqrt(np.mean(samples**2))).astype(np.float32)


def hum(length: int, mains_hz: float = 60.0, harmonics: tuple[float, ...] = (1.0,)) -> np.ndarray:
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, len(harmonics))
    turns = 2 * np.pi * mains_hz * times_s(length)
    parts = zip(harmonics, phases, strict=True)
    return scaled(sum((size * np.sin(turns * n + phase) for n, (size, phase) in enumerate(parts, 1)), np.zeros(length)))


def buzz(length: int, mains_hz: float = 60.0) -> np.ndarray:
    return hum(length, mains_hz, BUZZ)


def noise(length: int, slope: float = 0.0) -> np.ndarray:
    """White; pink with a `slope` of 0.5, brown with 1."""
    white = np.random.default_rng(5).normal(size=length)
    frequencies = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ), 20.0)
    return scaled(np.fft.irfft(np.fft.rfft(white) * frequencies**-slope, length))


def fan(length: int) -> np.ndarray:
    """Brown noise that swells a little, and the blades."""
    swell = 1 + 0.15 * np.sin(2 * np.pi * 0.7 * times_s(length))
    return scaled(scaled(noise(length, 1.0) * swell) + 0.3 * hum(length, 118.0, (1.0, 0.5, 0.3, 0.2)))


def tone(length: int, frequency_hz: float, on_s: float = 1.0, off_s: float = 0.0) -> np.ndarray:
    """Steady, or on and off."""
    gate = (times_s(length) % (on_s + off_s)) < on_s
    return scaled(np.sin(2 * np.pi * frequency_hz * times_s(length)) * np.convolve(gate, np.full(80, 1 / 80), "same"))


def dialling(length: int, on_s: float = 0.1, off_s: float = 0.1) -> np.ndarray:
    """DTMF of random digits."""
    rng, digit = np.random.default_rng(1), int(on_s * SAMPLE_RATE_HZ)
    sound = np.zeros(length)
    for start in range(SAMPLE_RATE_HZ // 2, length - digit, int((on_s + off_s) * SAMPLE_RATE_HZ)):
        for group in DTMF_HZ:
            sound[start : start + digit] += np.sin(2 * np.pi * rng.choice(group) * times_s(digit))
    return scaled(sound)


def clicks(length: int, every_s: float = 0.5) -> np.ndarray:
    rng, shape = np.random.default_rng(2), np.exp(-np.arange(48) / 12)
    sound, start = np.zeros(length), int(0.3 * SAMPLE_RATE_HZ)
    while start < length - len(shape):
        sound[start : start + len(shape)] += rng.normal(size=len(shape)) * shape
        start += int(every_s * rng.uniform(0.5, 1.5) * SAMPLE_RATE_HZ)
    return scaled(sound)


def chords(length: int, decay: float = 1.5) -> np.ndarray:
    """Four chords of four beats each, over and over; organ (`decay` 0) or piano."""
    sound = np.zeros(length + 5 * SAMPLE_RATE_HZ)
    for number in range(int(length / SAMPLE_RATE_HZ / (4 * BEAT_S)) + 1):
        start = int(number * 4 * BEAT_S * SAMPLE_RATE_HZ)
        for frequency_hz in CHORDS_HZ[number % 4]:
            note = _note(frequency_hz, 4 * BEAT_S, decay)
            sound[start : start + len(note)] += note
    return scaled(sound[:length])


def drums(length: int) -> np.ndarray:
    """Bass drum and snare by turns, and a hi-hat on every half beat."""
    rng, hit_s = np.random.default_rng(4), times_s(SAMPLE_RATE_HZ // 4)
    sound = np.zeros(length + SAMPLE_RATE_HZ)
    for half in range(int(length / SAMPLE_RATE_HZ / (BEAT_S / 2)) + 1):
        hit = 0.1 * np.diff(rng.normal(size=len(hit_s) + 1)) * np.exp(-60 * hit_s)
        if half % 4 == 0:
            hit += 0.8 * np.sin(2 * np.pi * (50 * hit_s + 80 * (1 - np.exp(-30 * hit_s)) / 30)) * np.exp(-12 * hit_s)
        elif half % 4 == 2:
            hit += 0.3 * rng.normal(size=len(hit_s)) * np.exp(-20 * hit_s)
        start = int(half * BEAT_S / 2 * SAMPLE_RATE_HZ)
        sound[start : start + len(hit)] += hit
    return scaled(sound[:length])


def melody(length: int) -> np.ndarray:
    """A note of the chord on every beat."""
    rng, sound = np.random.default_rng(3), np.zeros(length + SAMPLE_RATE_HZ)
    for beat in range(int(length / SAMPLE_RATE_HZ / BEAT_S) + 1):
        note = _note(rng.choice(CHORDS_HZ[beat // 4 % 4]) * rng.choice([1, 2]), 0.95 * BEAT_S, 3.0)
        start = int(beat * BEAT_S * SAMPLE_RATE_HZ)
        sound[start : start + len(note)] += note
    return scaled(sound[:length])


def music(length: int) -> np.ndarray:
    """Piano chords with a melody and drums."""
    return scaled(chords(length) + 0.7 * melody(length) + 0.7 * drums(length))


def _note(frequency_hz: float, duration_s: float, decay: float) -> np.ndarray:
    at_s = times_s(int(duration_s * SAMPLE_RATE_HZ))
    harmonics = (n for n in range(1, 9) if n * frequency_hz < 7500)
    sound = sum((np.sin(2 * np.pi * n * frequency_hz * at_s) / n**1.2 for n in harmonics), np.zeros(len(at_s)))
    return sound * np.minimum(at_s / 0.01, 1) * np.minimum((duration_s - at_s) / 0.02, 1) * np.exp(-decay * at_s)
