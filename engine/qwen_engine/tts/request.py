"""What the synthesis engine takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from qwen_engine.options import TextFeed, TtsOptions
from qwen_engine.sampling import Sampling
from qwen_engine.settings import TtsSettings

CutBy = Literal["budget", "repetition", "silence"]


@dataclass(frozen=True)
class SamplingWishes:
    """What a request asks for; None: the checkpoint's own."""

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None

    def over(self, defaults: Sampling) -> Sampling:
        wishes = {name: wish for name, wish in vars(self).items() if wish is not None}
        return replace(defaults, **wishes)


@dataclass(frozen=True)
class Reference:
    """A voice to clone: samples (n,) float32 at 24 kHz; with its `text` it is continued, without it only imitated."""

    samples: np.ndarray
    text: str = ""


@dataclass(frozen=True)
class Speak:
    """Say `text`.

    `voice`: a named speaker or a stored voice; None: `reference`, or who the `instruction` describes, or the
    checkpoint's first. `text_feed` "ahead": the talker reads each piece of text before it speaks, "beside": while it
    speaks. `chunk_frames` None: by load. The audio ends at `max_audio_s` at the latest. With a `text_stream`, further
    text follows in `AddText` requests of that name until one is complete.
    """

    text: str
    max_audio_s: float
    sampling: SamplingWishes = SamplingWishes()
    sub_sampling: SamplingWishes = SamplingWishes()
    voice: str | None = None
    reference: Reference | None = None
    instruction: str = ""
    language: str = "auto"
    seed: int = 0
    text_feed: TextFeed = "ahead"
    chunk_frames: tuple[int, ...] | None = None
    text_stream: str | None = None


@dataclass(frozen=True)
class AddText:
    """More text for the open `text_stream`; `complete` where this is its end."""

    text_stream: str
    text: str
    complete: bool


@dataclass(frozen=True)
class AddVoice:
    """Keep the voice of `reference` under `name`; `consent` says who allowed it."""

    name: str
    reference: Reference
    consent: str


@dataclass(frozen=True)
class ListVoices:
    """Named speakers and stored voices."""


@dataclass(frozen=True)
class RemoveVoice:
    """Forget a stored voice."""

    name: str


TtsRequest = Speak | AddText | AddVoice | ListVoices | RemoveVoice


@dataclass(frozen=True)
class AudioChunk:
    """Samples: (n,) float32 at `sample_rate_hz`; `frames`: how many codec frames were sent so far, these included."""

    samples: np.ndarray
    sample_rate_hz: int
    frames: int
    elapsed_s: float


@dataclass(frozen=True)
class Told:
    """What a request other than `Speak` is answered: an event's type and its fields."""

    type: Literal["text", "voice", "voices"]
    fields: Mapping[str, Any]


def speak_request(text: str, options: TtsOptions, settings: TtsSettings, reference: Reference | None) -> Speak:
    """What `options` ask for; what they leave open comes from the profile, then from the checkpoint."""
    temperature = settings.temperature if options.temperature is None else options.temperature
    return Speak(
        text=text,
        max_audio_s=settings.max_audio_s if options.max_audio_s is None else options.max_audio_s,
        sampling=SamplingWishes(temperature, options.top_k, options.top_p, options.repetition_penalty),
        sub_sampling=SamplingWishes(
            temperature if options.sub_temperature is None else options.sub_temperature,
            options.top_k if options.sub_top_k is None else options.sub_top_k,
            options.top_p if options.sub_top_p is None else options.sub_top_p,
        ),
        voice=options.voice.lower() if options.voice else None,
        reference=reference,
        instruction=options.instruction,
        language=options.language.lower(),
        seed=options.seed,
        text_feed=options.text_feed,
        chunk_frames=options.chunk_frames,
        text_stream=options.text_stream,
    )
