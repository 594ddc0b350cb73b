"""What the synthesis engine takes and gives."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from qwen_engine.options import TextFeed, TtsOptions
from qwen_engine.sampling import Sampling
from qwen_engine.settings import TtsSettings
from qwen_engine.tts.config import TtsConfig

CutBy = Literal["budget", "repetition", "silence"]


@dataclass(frozen=True)
class TtsRequest:
    """`voice` None: the checkpoint's first. `text_feed` "ahead": the talker reads each piece of text before it speaks;
    "beside": while it speaks. `chunk_frames` None: by load. The audio ends at `max_audio_s` at the latest."""

    text: str
    max_audio_s: float
    sampling: Sampling
    sub_sampling: Sampling
    voice: str | None = None
    instruction: str = ""
    language: str = "auto"
    seed: int = 0
    text_feed: TextFeed = "ahead"
    chunk_frames: tuple[int, ...] | None = None


@dataclass(frozen=True)
class AudioChunk:
    """Samples: (n,) float32 at `sample_rate_hz`; `frames`: how many codec frames were sent so far, these included."""

    samples: np.ndarray
    sample_rate_hz: int
    frames: int
    elapsed_s: float


def tts_request(text: str, options: TtsOptions, settings: TtsSettings, config: TtsConfig) -> TtsRequest:
    """What `options` ask for; what they leave open comes from the profile, then from the checkpoint."""
    temperature = settings.temperature if options.temperature is None else options.temperature
    first = _asked(config.sampling, temperature, options.top_k, options.top_p)
    if options.repetition_penalty is not None:
        first = replace(first, repetition_penalty=options.repetition_penalty)
    rest = _asked(config.sub_sampling, temperature, options.top_k, options.top_p)
    return TtsRequest(
        text=text,
        max_audio_s=settings.max_audio_s if options.max_audio_s is None else options.max_audio_s,
        sampling=first,
        sub_sampling=_asked(rest, options.sub_temperature, options.sub_top_k, options.sub_top_p),
        voice=options.voice.lower() if options.voice else None,
        instruction=options.instruction,
        language=options.language.lower(),
        seed=options.seed,
        text_feed=options.text_feed,
        chunk_frames=options.chunk_frames,
    )


def _asked(defaults: Sampling, temperature: float | None, top_k: int | None, top_p: float | None) -> Sampling:
    return replace(
        defaults,
        temperature=defaults.temperature if temperature is None else temperature,
        top_k=defaults.top_k if top_k is None else top_k,
        top_p=defaults.top_p if top_p is None else top_p,
    )
