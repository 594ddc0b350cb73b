"""Requests and events of synthesis."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from qwen_engine.sampling import Sampling
from qwen_engine.seeds import seed_or_random
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_engine.tts.settings import TtsSettings
from qwen_engine.tts.speaker import SAMPLE_RATE_HZ
from qwen_wire.options import TextFeed, TtsOptions
from qwen_wire.speech import TextAdded, TextStreamOpened, VoiceAdded, VoiceList, VoiceRemoved

CutBy = Literal["budget", "repetition", "silence"]


@dataclass(frozen=True)
class SamplingOverrides:
    """Sampling options of a request; None: the checkpoint's own."""

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None

    def over(self, defaults: Sampling) -> Sampling:
        overrides = {name: value for name, value in vars(self).items() if value is not None}
        return replace(defaults, **overrides)


@dataclass(frozen=True)
class Reference:
    """A voice to clone: samples (n,) float32 at 24 kHz; with its `text` it is continued in context."""

    samples: np.ndarray
    text: str = ""

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class ClonedVoice:
    """`embedding` (hidden,); with the reference's `text` also its `codes` (frames, groups), to be continued."""

    embedding: torch.Tensor
    text: str = ""
    codes: torch.Tensor | None = None


@dataclass(frozen=True)
class Speak:
    """Synthesise `text`.

    `voice`: a named speaker or a stored voice; None: `reference`, or the voice that the `instruction` describes, or the
    checkpoint's first. The engine clones the `reference`; `consent` says who allowed its use. `text_feed` "ahead": the
    talker reads each piece of text before its frames, "beside": beside them. `chunk_frames` None: by load. The audio
    ends at `max_audio_s` at the latest. With a `text_stream`, further text is added until it is complete.
    """

    text: str
    max_audio_s: float
    sampling: SamplingOverrides = SamplingOverrides()
    sub_sampling: SamplingOverrides = SamplingOverrides()
    voice: str | None = None
    reference: Reference | ClonedVoice | None = None
    consent: str = ""
    instruction: str = ""
    language: str | None = None
    seed: int = 0
    text_feed: TextFeed = "ahead"
    chunk_frames: tuple[int, ...] | None = None
    text_stream: str | None = None
    tenant: str = DEFAULT_TENANT


@dataclass(frozen=True)
class AudioChunk:
    """Samples: (n,) float32 at `sample_rate_hz`; `frames`: codec frames sent so far, these included.

    `consent`: in the first chunk of a voice that was cloned for this request only.
    """

    samples: np.ndarray
    sample_rate_hz: int
    frames: int
    elapsed_s: float
    consent: str | None = None


ControlEvent = TextStreamOpened | TextAdded | VoiceAdded | VoiceRemoved | VoiceList
"""Events other than audio."""


def speak_request(
    text: str,
    options: TtsOptions,
    settings: TtsSettings,
    reference: Reference | None,
    tenant: str = DEFAULT_TENANT,
) -> Speak:
    """The request of `options`, with defaults of the profile, then of the checkpoint."""
    temperature = settings.temperature if options.temperature is None else options.temperature
    return Speak(
        text=text,
        max_audio_s=settings.max_audio_s if options.max_audio_s is None else options.max_audio_s,
        sampling=SamplingOverrides(temperature, options.top_k, options.top_p, options.repetition_penalty),
        sub_sampling=SamplingOverrides(
            temperature if options.sub_temperature is None else options.sub_temperature,
            options.top_k if options.sub_top_k is None else options.sub_top_k,
            options.top_p if options.sub_top_p is None else options.sub_top_p,
        ),
        voice=options.voice.lower() if options.voice else None,
        reference=reference,
        consent=options.consent.strip(),
        instruction=options.instruction,
        language=options.language,
        seed=seed_or_random(options.seed),
        text_feed=options.text_feed,
        chunk_frames=options.chunk_frames,
        text_stream=options.text_stream,
        tenant=tenant,
    )
