"""Speech recognition by transformers' Qwen3ASRForConditionalGeneration: one `generate` per batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import AutoProcessor, Qwen3ASRForConditionalGeneration
from transformers.models.qwen3_asr.processing_qwen3_asr import LANGUAGE_CODE_TO_NAME

from qwen_engine.audio import is_silent
from qwen_engine.errors import InvalidRequest
from qwen_engine.loop import FinishReason, Model, Session
from qwen_engine.reference.isolation import run_isolated
from qwen_engine.settings import AsrSettings

SAMPLE_RATE_HZ = 16000
TOKENS_PER_S = 12  # fast speech needs about six BPE tokens a second
MIN_TOKENS = 32
LANGUAGES = {name.lower(): name for name in LANGUAGE_CODE_TO_NAME.values()} | LANGUAGE_CODE_TO_NAME


@dataclass(frozen=True)
class AsrRequest:
    """Samples: (n,) float32 mono at 16 kHz. `language`: name, ISO code, "auto" or None."""

    samples: np.ndarray
    language: str | None = None
    context: str = ""
    max_new_tokens: int | None = None

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ

    @property
    def token_budget(self) -> int:
        return self.max_new_tokens or MIN_TOKENS + int(self.duration_s * TOKENS_PER_S)

    @property
    def forced_language(self) -> str | None:
        """The language's English name, or None where it is to be detected."""
        return None if self.language in (None, "auto") else LANGUAGES[self.language.lower()]


@dataclass(frozen=True)
class Transcript:
    text: str
    language: str | None
    duration_s: float
    finish_reason: FinishReason = "stop"


class ReferenceAsr(Model[AsrRequest]):
    """A `Model` for the engine loop."""

    def __init__(self, settings: AsrSettings) -> None:
        self.max_batch = settings.max_batch
        self._settings = settings
        torch.set_num_threads(settings.num_threads)
        self._processor = AutoProcessor.from_pretrained(settings.checkpoint)
        dtype = getattr(torch, settings.dtype)
        model = Qwen3ASRForConditionalGeneration.from_pretrained(settings.checkpoint, dtype=dtype)
        self._model = model.to(settings.device).eval()
        eos = model.generation_config.eos_token_id
        self._eos_ids = torch.tensor(eos if isinstance(eos, list) else [eos])

    def check(self, request: AsrRequest) -> None:
        if request.duration_s > self._settings.max_audio_s:
            limit_s = self._settings.max_audio_s
            raise InvalidRequest(f"AUDIO lasts {request.duration_s:.1f} s; the limit is {limit_s:g} s")
        if request.language not in (None, "auto") and request.language.lower() not in LANGUAGES:
            names = ", ".join(LANGUAGE_CODE_TO_NAME.values())
            raise InvalidRequest(f"OPTIONS.language is {request.language!r}; allowed: auto, {names}, or an ISO code")

    def step(self, sessions: Sequence[Session[AsrRequest]]) -> bool:
        spoken = []
        for session in sessions:
            if is_silent(session.request.samples, sample_rate_hz=SAMPLE_RATE_HZ):  # the model would invent words
                _deliver(session, Transcript("", None, session.request.duration_s))
            else:
                spoken.append(session)
        run_isolated(self._transcribe, spoken, _deliver)
        return True

    @torch.inference_mode()
    def _transcribe(self, requests: Sequence[AsrRequest]) -> list[Transcript]:
        inputs = self._processor.apply_transcription_request(
            audio=[request.samples for request in requests],
            language=[request.forced_language for request in requests],
            prompt=[request.context or None for request in requests],
        ).to(self._model.device, self._model.dtype)
        budget = max(request.token_budget for request in requests)
        output = self._model.generate(**inputs, max_new_tokens=budget, do_sample=False)
        answers = output[:, inputs["input_ids"].shape[1] :].cpu()
        return [self._parse(request, answer) for request, answer in zip(requests, answers, strict=True)]

    def _parse(self, request: AsrRequest, answer: torch.Tensor) -> Transcript:
        """Cut at the request's own budget: batch mates may have been given more."""
        answer = answer[: request.token_budget]
        stopped = bool(torch.isin(answer, self._eos_ids).any())
        parsed = self._processor.decode(answer, return_format="parsed")
        language = parsed["language"] or request.forced_language
        return Transcript(parsed["transcription"], language, request.duration_s, "stop" if stopped else "length")


def _deliver(session: Session[AsrRequest], transcript: Transcript) -> None:
    session.emit(transcript)
    session.finish(transcript.finish_reason)
