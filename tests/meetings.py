"""Meetings that espeak-ng speaks: everybody has a voice and a recording of their own, and waits until the others are
done. What is right to say of them is known."""

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soundfile

from demo.training import chat_tasks, corpus
from demo.training.chat_pieces import plain
from demo.training.speech import Voice, speak

SAMPLE_RATE_HZ = 16_000
PAUSE_S = 1.4  # longer than what belongs to one segment
VOICES = {"Anna": Voice("en-us+f2", 150, 60), "Ben": Voice("en-gb", 150, 45), "Clara": Voice("en-gb-x-rp+f4", 150, 55)}
NOISE = 0.001  # -60 dBFS


@dataclass(frozen=True)
class Meeting:
    """`recordings` are WAV files by speaker; `lines` are (start_s, speaker, text) in order."""

    lines: tuple[tuple[float, str, str], ...]
    recordings: dict[str, bytes]

    @property
    def text(self) -> str:
        """As the chat model is told it."""
        told = (f"[{int(at_s) // 60:02}:{int(at_s) % 60:02}] {speaker}: {text}" for at_s, speaker, text in self.lines)
        return "\n".join(told)

    @property
    def minutes(self) -> dict:
        """What the minutes should say."""
        return json.loads(plain(chat_tasks.minutes(self.text)))


def meeting(seed: int, num_lines: int) -> Meeting:
    """`num_lines` sentences outside the training set, by three speakers in turn."""
    rng = random.Random(seed)
    said = corpus.sentences(num_lines, seed=seed, held_out=True, draw=_statement)
    speakers = [list(VOICES)[number % len(VOICES)] for number in range(num_lines)]
    rng.shuffle(speakers)
    return spoken(list(zip(speakers, (one.text for one in said), strict=True)))


def spoken(turns: list[tuple[str, str]]) -> Meeting:
    """A meeting in which these speakers say these texts."""
    lines, parts, at = [], [], round(PAUSE_S * SAMPLE_RATE_HZ)
    for speaker, text in turns:
        sound = speak(text, VOICES[speaker], sample_rate_hz=SAMPLE_RATE_HZ)
        lines.append((at / SAMPLE_RATE_HZ, speaker, text))
        parts.append((speaker, at, sound))
        at += len(sound) + round(PAUSE_S * SAMPLE_RATE_HZ)
    tracks = {speaker: _noise(at, number) for number, speaker in enumerate(VOICES)}
    for speaker, start, sound in parts:
        tracks[speaker][start : start + len(sound)] += sound
    return Meeting(tuple(lines), {speaker: _wav(track) for speaker, track in tracks.items()})


def _statement(rng: random.Random) -> corpus.Sentence:
    """What makes minutes: tasks, things to send, next steps, agreements, meetings."""
    kinds: tuple[Callable[[random.Random], str], ...] = (
        corpus._task, corpus._send, corpus._next, corpus._task, corpus._send, corpus._agreed, corpus._meeting,
    )  # fmt: skip
    words = rng.choice(kinds)(rng)
    return corpus.Sentence(corpus.written(words), words)


def _noise(num_samples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, NOISE, num_samples).astype(np.float32)


def _wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()
