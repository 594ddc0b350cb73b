"""Recordings longer than a window: every word is found where it is, whatever the windows hold."""

import itertools
import random

import numpy as np
import pytest

from qwen_engine.aligner.timing import WordTime
from qwen_engine.aligner.windowed_alignment import Window, WindowedAlignment
from qwen_engine.aligner.words import TextWord
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ

WINDOW_S = 20.0
MS = SAMPLE_RATE_HZ // 1000


class Speaker:
    """A recording of numbered words whose times are known, and an aligner that finds what its window holds.

    Words that are not in the window it takes to be at the end of it, as a model does that has to answer.
    """

    def __init__(self, num_words: int, seed: int, *, pace=lambda place: 1.0, pauses: float = 0.1) -> None:
        rng = random.Random(seed)
        self.words = [TextWord(f"w{index}", ("w" * rng.randint(1, 9),)) for index in range(num_words)]
        self.times: list[WordTime] = []
        at = 300
        for index, word in enumerate(self.words):
            length = int(60 * len(word.units[0]) * pace(index / num_words)) + 40
            self.times.append(WordTime(at, at + length))
            at += length + (rng.randint(500, 4000) if rng.random() < pauses else 0)
        noise = np.random.default_rng(seed).normal(scale=0.1, size=(at + 300) * MS).astype(np.float32)
        loud = np.zeros(len(noise), np.float32)
        for time in self.times:
            loud[time.start_ms * MS : time.end_ms * MS] = 1.0
        syllables = 0.55 + 0.45 * np.sin(np.arange(len(noise)) / SAMPLE_RATE_HZ * 2 * np.pi * 5)
        self.samples = (noise * (loud * syllables + 1e-4)).astype(np.float32)
        self.num_windows = 0

    def find(self, window: Window) -> list[WordTime]:
        self.num_windows += 1
        assert len(window.samples) <= WINDOW_S * SAMPLE_RATE_HZ
        start = (window.samples.ctypes.data - self.samples.ctypes.data) // self.samples.itemsize // MS
        end = len(window.samples) // MS
        asked = [self.times[int(word.text[1:])] for word in window.words]
        return [
            WordTime(min(max(0, time.start_ms - start), end), min(max(0, time.end_ms - start), end)) for time in asked
        ]

    def align(self) -> list[WordTime]:
        alignment = WindowedAlignment(self.samples, self.words, WINDOW_S)
        while (window := alignment.window()) is not None:
            alignment.take(window, self.find(window))
        return alignment.found


@pytest.mark.parametrize(
    "speaker",
    [
        Speaker(40, 0),
        Speaker(600, 1),
        Speaker(600, 2, pace=lambda place: 0.5 + 2 * place),
        Speaker(600, 3, pace=lambda place: 3.0 if 0.4 < place < 0.6 else 0.6),
        Speaker(300, 4, pauses=0.0),
        Speaker(200, 5, pauses=0.6),
    ],
    ids=["one window", "even", "slower and slower", "slow in the middle", "no pause", "many pauses"],
)
def test_every_word_is_found_where_it_is(speaker):
    found = speaker.align()
    assert len(found) == len(speaker.words)
    off_ms = [abs(one.start_ms - time.start_ms) for one, time in zip(found, speaker.times, strict=True)]
    assert max(off_ms) <= 1
    duration_s = len(speaker.samples) / SAMPLE_RATE_HZ
    assert speaker.num_windows <= 1 + 4 * duration_s / WINDOW_S


def test_a_window_with_a_pause_is_cut_in_a_pause():
    """Also where the only one is early: who begins in the middle of a sentence finds its first words too late."""
    speaker = Speaker(400, 9, pauses=0.03)
    windows, find = [], speaker.find
    speaker.find = lambda window: windows.append(window) or find(window)
    speaker.align()
    starts_ms = [
        (one.samples.ctypes.data - speaker.samples.ctypes.data) // one.samples.itemsize // MS for one in windows
    ]
    pauses = [pair for pair in itertools.pairwise(speaker.times) if pair[1].start_ms - pair[0].end_ms >= 500]
    early = 0
    for window, next_ms in zip(windows, starts_ms[1:], strict=False):
        first, last = (int(window.words[index].text[1:]) for index in (0, -1))
        inside = [pair for pair in pauses if first <= speaker.times.index(pair[0]) < last]
        if inside and next_ms not in starts_ms[: starts_ms.index(next_ms)]:
            assert any(before.end_ms <= next_ms <= after.start_ms for before, after in inside)
            early += speaker.times.index(inside[-1][0]) - first < (last - first) // 2
    assert early > 0


def test_a_minute_without_speech_is_passed_over():
    speaker = Speaker(120, 6)
    gap_ms = 60_000
    middle = speaker.times[60].start_ms - 20
    quiet = np.full(gap_ms * MS, 1e-6, np.float32)
    speaker.samples = np.concatenate([speaker.samples[: middle * MS], quiet, speaker.samples[middle * MS :]])
    speaker.times = [time if time.start_ms < middle else time.shifted(gap_ms) for time in speaker.times]
    assert [one.start_ms for one in speaker.align()] == pytest.approx([one.start_ms for one in speaker.times], abs=1)


def test_a_text_that_is_not_said_ends_all_the_same():
    speaker = Speaker(200, 7)
    speaker.find = lambda window: [WordTime(0, 0)] * len(window.words)
    assert len(speaker.align()) == 200
    late = Speaker(200, 8)
    late.find = lambda window: [WordTime(0, len(window.samples) // MS)] * len(window.words)
    assert len(late.align()) == 200
