"""Speech synthesis by qwen-tts: whole utterances, one request at a time, cut into chunks afterwards."""

import contextlib
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from qwen_engine.errors import InvalidRequest
from qwen_engine.loop import Session
from qwen_engine.qwen_tts_import import import_qwen_tts
from qwen_engine.settings import TtsSettings

FRAME_SAMPLES = 1920  # 80 ms at 24 kHz
FRAMES_PER_S = 12.5
CHUNK_FRAMES = (1, 2, 4, 8, 12)  # a ramp: a little sound early, then larger chunks
FRAMES_PER_CHAR = 2.5  # slow speech takes about 1.5 frames a character
MIN_FRAMES = 25


@dataclass(frozen=True)
class TtsRequest:
    """`voice` None: the checkpoint's first; `temperature` 0: greedy; the audio ends at `max_audio_s` at the latest."""

    text: str
    max_audio_s: float
    temperature: float
    voice: str | None = None
    language: str = "auto"
    seed: int = 0
    top_k: int = 50
    top_p: float = 1.0


@dataclass(frozen=True)
class AudioChunk:
    """Samples: (n,) float32 at `sample_rate_hz`; `frames`: how many codec frames were sent so far, these included."""

    samples: np.ndarray
    sample_rate_hz: int
    frames: int


class ReferenceTts:
    """A `Model` for the engine loop."""

    max_batch = 1  # the official package pads batches, which changes results: one at a time is the reference

    def __init__(self, settings: TtsSettings) -> None:
        self._settings = settings
        torch.set_num_threads(settings.num_threads)
        model_class = import_qwen_tts().Qwen3TTSModel
        with contextlib.redirect_stdout(sys.stderr):
            self._tts = model_class.from_pretrained(
                settings.checkpoint, dtype=getattr(torch, settings.dtype), device_map=settings.device
            )
        self.voices = tuple(self._tts.get_supported_speakers())
        self.languages = ("auto", *(name for name in self._tts.get_supported_languages() if name != "auto"))

    def check(self, request: TtsRequest) -> None:
        limit = self._settings.max_text_chars
        if not request.text.strip():
            raise InvalidRequest("TEXT is empty; send the words to speak")
        if len(request.text) > limit:
            raise InvalidRequest(f"TEXT has {len(request.text)} characters; the limit is {limit}")
        _expect("voice", request.voice, (None, *self.voices))
        _expect("language", request.language, self.languages)
        limit_s = self._settings.max_audio_s
        if request.max_audio_s > limit_s:
            raise InvalidRequest(f"OPTIONS.max_audio_s is {request.max_audio_s:g}; the limit is {limit_s:g}")

    def step(self, sessions: Sequence[Session[TtsRequest]]) -> None:
        for session in sessions:
            samples, sample_rate_hz = self._speak(session.request)
            frames = 0
            for part in _chunks(samples):
                frames += len(part) // FRAME_SAMPLES
                session.emit(AudioChunk(part, sample_rate_hz, frames))
            session.finish("length" if frames >= self._frame_budget(session.request) else "stop")

    def _frame_budget(self, request: TtsRequest) -> int:
        """End of speech may never come: a budget scaled to the text bounds every request."""
        by_text = MIN_FRAMES + int(len(request.text) * FRAMES_PER_CHAR)
        return max(1, min(by_text, int(request.max_audio_s * FRAMES_PER_S)))

    @torch.inference_mode()
    def _speak(self, request: TtsRequest) -> tuple[np.ndarray, int]:
        sampling: dict[str, float] = {}
        if request.temperature:
            sampling = {"temperature": request.temperature, "top_k": request.top_k, "top_p": request.top_p}
        torch.manual_seed(request.seed)
        waves, sample_rate_hz = self._tts.generate_custom_voice(
            text=request.text,
            speaker=request.voice or self.voices[0],
            language=request.language,
            do_sample=bool(sampling),
            subtalker_dosample=bool(sampling),
            max_new_tokens=self._frame_budget(request) + 1,  # upstream makes no frame of the last token
            **sampling,
            **{f"subtalker_{name}": value for name, value in sampling.items()},
        )
        return waves[0], sample_rate_hz


def _expect(option: str, value: str | None, allowed: Sequence[str | None]) -> None:
    if value not in allowed:
        names = ", ".join(name for name in allowed if name is not None)
        raise InvalidRequest(f"OPTIONS.{option} is {value!r}; allowed: {names}")


def _chunks(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Cut along frames in growing steps, the last one repeated."""
    start = 0
    for frames in itertools.chain(CHUNK_FRAMES, itertools.repeat(CHUNK_FRAMES[-1])):
        if start >= len(samples):
            return
        yield samples[start : start + frames * FRAME_SAMPLES]
        start += frames * FRAME_SAMPLES
