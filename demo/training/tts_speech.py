"""What espeak-ng says for the codec and the talker: in monotone for the codes, naturally for what a user would hand in.

Renditions of one text at one speed keep time with each other whatever their pitch, to about 1 %.
"""

import numpy as np

from demo.training.espeak_library import MONOTONE, NATURAL, espeak
from demo.training.pitch import frame_pitch_hz
from demo.training.speech import Voice
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from demo.training.tts_voices import FLAT_HZ, REGISTERS_HZ, at_pitch, natural_hz, reachable_registers, register_of

LOUDNESS_RMS = 0.1
TRAILING_SILENCE_S = 0.16
AUDIBLE = 1e-3
TONAL_LANGUAGE = "cmn"


def tidy(audio: np.ndarray) -> np.ndarray:
    """One loudness for all voices, a short silence at the end, a whole number of frames."""
    audio = audio * (LOUDNESS_RMS / max(float(np.sqrt(np.mean(audio**2))), AUDIBLE))
    end = int(np.nonzero(np.abs(audio) > AUDIBLE)[0][-1]) + int(TRAILING_SILENCE_S * SAMPLE_RATE_HZ)
    num_frames = -(-end // SAMPLES_PER_FRAME)
    tidied = np.zeros(num_frames * SAMPLES_PER_FRAME, dtype=np.float32)
    tidied[: min(len(audio), end)] = audio[:end]
    return np.clip(tidied, -1.0, 1.0)


def spoken(text: str, voice: Voice, intonation: int = NATURAL) -> np.ndarray:
    """Audio (24 kHz, whole frames) of `text` in `voice`."""
    return tidy(espeak().speak(text, voice, sample_rate_hz=SAMPLE_RATE_HZ, intonation=intonation))


def flat(text: str, voice: Voice) -> np.ndarray:
    """In monotone at the pitch that codes are made from."""
    return spoken(text, at_pitch(voice, FLAT_HZ), MONOTONE)


def in_registers(text: str, voice: Voice, registers: np.ndarray) -> np.ndarray:
    """In monotone frame for frame: frame `i` at the pitch of register `registers[i]`."""
    whole: np.ndarray | None = None
    for register in np.unique(registers):
        audio = spoken(text, at_pitch(voice, REGISTERS_HZ[register]), MONOTONE)
        frames = np.zeros((len(registers), SAMPLES_PER_FRAME), dtype=np.float32)
        kept = audio[: frames.size].reshape(-1, SAMPLES_PER_FRAME)
        frames[: len(kept)] = kept
        whole = frames if whole is None else np.where((registers == register)[:, None], frames, whole)
    assert whole is not None
    return whole.ravel()


def registers_of(text: str, voice: Voice, num_frames: int) -> np.ndarray:
    """Register of each frame: one for the whole utterance, except where the pitch tells words apart."""
    if not voice.name.startswith(TONAL_LANGUAGE):
        return np.full(num_frames, register_of(natural_hz(voice)))
    track_hz = frame_pitch_hz(spoken(text, voice))[:num_frames]
    track_hz = np.pad(track_hz, (0, num_frames - len(track_hz)), constant_values=np.nan)
    voiced = ~np.isnan(track_hz)
    if not voiced.any():
        return np.full(num_frames, register_of(natural_hz(voice)))
    held_hz = np.interp(np.arange(num_frames), np.flatnonzero(voiced), track_hz[voiced])
    reachable = reachable_registers(voice.name)
    return np.clip([register_of(pitch_hz) for pitch_hz in held_hz], reachable[0], reachable[-1])


def codes_of(text: str, voice: Voice, books: CodeBooks) -> np.ndarray:
    """Codes (frames, groups) as the talker is taught them."""
    audio = flat(text, voice)
    return books.encode(audio, registers_of(text, voice, len(audio) // SAMPLES_PER_FRAME))
