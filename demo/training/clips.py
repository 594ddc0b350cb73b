"""Training clips from spoken sentences: several in one, gaps, noise, gain, telephone, MP3, and where each word is."""

import functools
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import soundfile
import soxr

from demo.training.asr_data import CHINESE, SAMPLE_RATE_HZ, Utterance
from qwen_media.sound import Wanted, decode_sound

LONGEST_S = 28.0  # the engine's pieces are of at most 30 s
NUM_SENTENCES_SHARES = (0.76, 0.09, 0.05, 0.035, 0.025, 0.02, 0.01, 0.01)  # of clips with 1, 2, ... of them
GAP_S = (0.05, 1.6)
EDGE_SILENCE_S, LONG_EDGE_SILENCE_S = 0.5, 10.0
LONG_EDGE_SHARE = 0.04
AUDIBLE = 0.02  # of a sentence's peak: where it begins and ends

SILENCE_S = (0.1, 6.0)
SILENT_NOISE_LEVEL = (-4.5, -1.0)  # of clips without speech, as a power of ten
GAIN = (-1.7, 0.0)  # as a power of ten
NOISE_SHARE = 0.65
NOISE_S = 120
SNR_DB = (6.0, 45.0)
WHITE_SHARE = 0.6  # of the noises; the others are pink
TELEPHONE_SHARE = 0.1
TELEPHONE_RATE_HZ = 8000
TELEPHONE_BAND_HZ = (300, 3400)
BAND_SHARE = 0.5  # of the telephones
MP3_SHARE = 0.05
MP3_LEVEL = (0.7, 0.86)  # soundfile's compression level: some 57 to 32 kbit/s
MP3_DELAY = 1105  # samples that encoder and decoder put before the sound where the file is too small to tell of them


@dataclass(frozen=True)
class Span:
    """Where in a clip a sentence is: its first sample is at `start`, and it is heard from `heard` to `heard_end`."""

    utterance: Utterance
    start: int
    heard: int
    heard_end: int

    @property
    def text(self) -> str:
        return self.utterance.text

    def letters_at(self, positions: np.ndarray) -> np.ndarray:
        """Which letter is spoken at each of `positions` (samples), with fractions: as if all of a word were as long."""
        letters, starts = self.word_starts()
        return np.minimum(np.interp(positions, starts, letters), len(self.text) - 1e-6)

    def position_of(self, letter: int) -> int:
        """The sample at which `letter` begins; the end of the sound for the one after the last."""
        letters, starts = self.word_starts()
        return int(np.interp(letter, letters, starts))

    def word_starts(self) -> tuple[np.ndarray, np.ndarray]:
        """(letters, samples): first letter of each word and where it begins, and the end of all."""
        inner = self.utterance.word_starts[1:]
        letters = np.array([0, *(letter for letter, _ in inner), len(self.text)])
        starts = [self.start + int(start_s * SAMPLE_RATE_HZ) for _, start_s in inner]
        return letters, np.maximum.accumulate([self.heard, *starts, self.heard_end])


@dataclass(frozen=True)
class Clip:
    """Mono float32 samples at 16 kHz and what is said in them where (nothing: silence)."""

    samples: np.ndarray
    spans: tuple[Span, ...]
    language: str

    @property
    def text(self) -> str:
        return ("" if self.language == CHINESE else " ").join(span.text for span in self.spans)

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


def draw_utterances(
    rng: random.Random,
    *pools: tuple[Sequence[Utterance], float],
    num_sentences_shares: Sequence[float] = NUM_SENTENCES_SHARES,
) -> list[Utterance]:
    """What one clip will say: a sentence, or several of one language, each from a pool drawn by its share."""
    shares = [share for _, share in pools]
    count = rng.choices(range(1, len(num_sentences_shares) + 1), num_sentences_shares)[0]
    first = rng.choice(rng.choices(pools, shares)[0][0])
    same = [pool for pool in pools if pool[0][0].language == first.language]
    drawn, length_s = [first], first.duration_s
    for pool, _ in rng.choices(same, [share for _, share in same], k=count - 1):
        utterance = rng.choice(pool)
        length_s += utterance.duration_s + GAP_S[1]
        if length_s > LONGEST_S:
            break
        drawn.append(utterance)
    return drawn


def speech_clip(utterances: Sequence[Utterance], rng: random.Random) -> Clip:
    """The sentences one after another, as they might be recorded."""
    clip = quiet_clip(utterances, rng)
    return replace(clip, samples=recorded(clip.samples, rng))


def quiet_clip(utterances: Sequence[Utterance], rng: random.Random) -> Clip:
    """The sentences one after another, nothing else to be heard."""
    samples, spans = _joined(utterances, rng)
    return Clip(samples, spans, utterances[0].language)


def silent_clip(rng: random.Random) -> Clip:
    """Silence or faint noise."""
    length = int(rng.uniform(*SILENCE_S) * SAMPLE_RATE_HZ)
    level = 0.0 if rng.random() < 0.3 else 10 ** rng.uniform(*SILENT_NOISE_LEVEL)
    return Clip((_noise(length, rng) * level).astype(np.float32), (), "")


def span_of(utterance: Utterance, start: int) -> Span:
    """Where `utterance` is heard if its first sample stands at `start`."""
    loudness = np.abs(utterance.samples.astype(np.int32))
    loud = np.flatnonzero(loudness >= AUDIBLE * loudness.max())
    return Span(utterance, start, start + int(loud[0]), start + int(loud[-1]))


def _joined(utterances: Sequence[Utterance], rng: random.Random) -> tuple[np.ndarray, tuple[Span, ...]]:
    edge_s = LONG_EDGE_SILENCE_S if rng.random() < LONG_EDGE_SHARE else EDGE_SILENCE_S
    gaps_s = [float(np.exp(rng.uniform(*np.log(GAP_S)))) for _ in utterances[1:]]
    parts, spans, position = [], [], 0
    for utterance, silence_s in zip(utterances, [rng.uniform(0, edge_s), *gaps_s], strict=True):
        silence = np.zeros(int(silence_s * SAMPLE_RATE_HZ), np.float32)
        parts += [silence, utterance.samples.astype(np.float32) / 32768]
        spans.append(span_of(utterance, position + len(silence)))
        position += len(silence) + len(utterance.samples)
    parts.append(np.zeros(int(rng.uniform(0, edge_s) * SAMPLE_RATE_HZ), np.float32))
    return np.concatenate(parts), tuple(spans)


def recorded(samples: np.ndarray, rng: random.Random) -> np.ndarray:
    """`samples` with noise, at some gain, now and then through a telephone or an MP3 encoder; as many as before."""
    if rng.random() < NOISE_SHARE:
        level = np.sqrt(np.mean(samples**2)) * 10 ** (-rng.uniform(*SNR_DB) / 20)
        samples = samples + _noise(len(samples), rng) * level
    samples = (samples * 10 ** rng.uniform(*GAIN)).astype(np.float32)
    way: Callable[[np.ndarray, random.Random], np.ndarray] = rng.choices(
        (_directly, _telephone, _mp3), (1 - TELEPHONE_SHARE - MP3_SHARE, TELEPHONE_SHARE, MP3_SHARE)
    )[0]
    return way(samples, rng)


def _directly(samples: np.ndarray, _: random.Random) -> np.ndarray:
    return samples


def _telephone(samples: np.ndarray, rng: random.Random) -> np.ndarray:
    narrow = soxr.resample(samples, SAMPLE_RATE_HZ, TELEPHONE_RATE_HZ)
    if rng.random() < BAND_SHARE:
        length = 1 << len(narrow).bit_length()  # other lengths take ten times as long
        spectrum = np.fft.rfft(narrow, length)
        pitch_hz = np.fft.rfftfreq(length, 1 / TELEPHONE_RATE_HZ)
        spectrum[(pitch_hz < TELEPHONE_BAND_HZ[0]) | (pitch_hz > TELEPHONE_BAND_HZ[1])] = 0
        narrow = np.fft.irfft(spectrum, length)[: len(narrow)]
    return _fitted(soxr.resample(narrow, TELEPHONE_RATE_HZ, SAMPLE_RATE_HZ), len(samples))


def _mp3(samples: np.ndarray, rng: random.Random) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(
        file, samples, SAMPLE_RATE_HZ, format="MP3", bitrate_mode="CONSTANT", compression_level=rng.uniform(*MP3_LEVEL)
    )
    # libsndfile refuses some of the MP3 files that it writes.
    decoded = decode_sound(file.getvalue(), Wanted(SAMPLE_RATE_HZ, 2 * LONGEST_S)).samples
    return _fitted(decoded[MP3_DELAY if len(decoded) > len(samples) else 0 :], len(samples))


def _fitted(samples: np.ndarray, length: int) -> np.ndarray:
    return np.pad(samples, (0, max(0, length - len(samples))))[:length].astype(np.float32)


@functools.cache
def _recorded_noises() -> tuple[np.ndarray, np.ndarray]:
    """White and pink noise of unit power, NOISE_S long."""
    white = np.random.default_rng(0).standard_normal(NOISE_S * SAMPLE_RATE_HZ, dtype=np.float32)
    pink = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.arange(1, len(white) // 2 + 2)), len(white))
    return white, (pink / pink.std()).astype(np.float32)


def _noise(length: int, rng: random.Random) -> np.ndarray:
    """White or pink noise of unit power (length,), from anywhere in the recorded one."""
    white, pink = _recorded_noises()
    source = white if rng.random() < WHITE_SHARE else pink
    start = rng.randrange(len(source) - length)
    return source[start : start + length]
