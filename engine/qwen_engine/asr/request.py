"""What a recogniser is asked and what it answers. Samples are float32, mono, 16 kHz."""

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from qwen_engine.asr.hearing import Hearing
from qwen_engine.asr.languages import resolve_language
from qwen_engine.asr.pieces import MAX_PIECE_S, split
from qwen_engine.asr.silence import Span
from qwen_engine.errors import EngineError, InvalidRequest
from qwen_engine.loop import FinishReason
from qwen_engine.sampling import Sampling

SAMPLE_RATE_HZ = 16000
ENCODED_PER_S = 13
TOKENS_PER_S = 12  # fast speech needs about six BPE tokens a second
MIN_TOKENS = 32
LOUDEST = 1e4  # full scale is 1: whatever is louder is no sound, and its square would run over
TOP_K = 50
KEPT_SILENCE_S = 1.0

TimestampKind = Literal["none", "segment", "word", "char"]


@dataclass(frozen=True)
class AsrRequest:
    """One recording to write down.

    `language`: name, ISO code, "auto" or None; `context`: words to expect; `max_new_tokens`: budget of each piece of
    the recording, None: from its duration; `temperature` 0: greedy; `vad`: leave out what is silent; `max_piece_s`:
    longer recordings are cut.
    """

    samples: np.ndarray
    language: str | None = None
    context: str = ""
    max_new_tokens: int | None = None
    temperature: float = 0.0
    seed: int = 0
    timestamps: TimestampKind = "segment"
    vad: bool = True
    max_piece_s: float = MAX_PIECE_S

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ

    @property
    def forced_language(self) -> str | None:
        """The language's English name, or None where it is to be detected."""
        return resolve_language(self.language)

    @functools.cached_property
    def spans(self) -> list[Span]:
        """The pieces to write down, in order; to look for them takes a moment, so it is done once.

        One piece with little silence around it is taken as it came.
        """
        found = split(self.samples, SAMPLE_RATE_HZ, self.max_piece_s, vad=self.vad)
        if len(found) == 1 and len(self.samples) - len(found[0]) <= KEPT_SILENCE_S * SAMPLE_RATE_HZ:
            return [Span(0, len(self.samples))]
        return found

    def piece(
        self, index: int, *, group: Hashable, hear: Callable[["Heard"], None], fail: Callable[[EngineError], None]
    ) -> "Piece":
        """The work that span number `index` is for the batch."""
        span = self.spans[index]
        return Piece(
            self.samples[span.start : span.end],
            group=group,
            hear=hear,
            fail=fail,
            context=self.context,
            language=self.forced_language,
            budget=self.max_new_tokens,
            sampling=sampling_of(self.temperature),
            seed=self.seed + index,
        )


@dataclass(frozen=True)
class Segment:
    """What was said from `start_s` to `end_s` of the recording, in `num_tokens` tokens of `language`."""

    start_s: float
    end_s: float
    text: str
    language: str | None = None
    num_tokens: int = 0


@dataclass(frozen=True)
class Word:
    """A word or character, and when it was said."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Failure:
    """A stretch of the recording that could not be written down, and why."""

    start_s: float
    end_s: float
    message: str


@dataclass(frozen=True)
class Transcript:
    """`words`: only where they were asked for; `language`: that of most of the speech, None where nothing was said."""

    text: str
    language: str | None
    duration_s: float
    segments: Sequence[Segment] = ()
    words: Sequence[Word] | None = None
    finish_reason: FinishReason = "stop"
    failed: Sequence[Failure] = ()


@dataclass(frozen=True)
class Heard:
    """The answer to one piece. `ids` are the new tokens, without prefix and end; `text` is that of prefix and answer.

    `first_token_s` is when the first token came, on `time.monotonic`'s clock.
    """

    ids: tuple[int, ...]
    text: str
    language: str | None
    finish_reason: FinishReason
    first_token_s: float


@dataclass(frozen=True, eq=False)
class Piece:
    """A unit of the batch's work: at most half a minute of sound, and who wants to know.

    `audio`: samples (n,), or what the encoder made of them (tokens, hidden); `hearing`: what was heard of them before.
    `prefix`: token ids of an answer to go on with; where a language is forced, that comes before them. Pieces of one
    `group` share the rows with other groups fairly. Exactly one of `hear` and `fail` is called, on the device thread.
    """

    audio: np.ndarray | torch.Tensor
    group: Hashable
    hear: Callable[[Heard], None]
    fail: Callable[[EngineError], None]
    context: str = ""
    language: str | None = None
    prefix: Sequence[int] = ()
    hearing: Hearing | None = None
    budget: int | None = None
    sampling: Sampling = field(default_factory=lambda: sampling_of(0.0))
    seed: int = 0

    @property
    def duration_s(self) -> float:
        per_s = ENCODED_PER_S if self.is_encoded else SAMPLE_RATE_HZ
        return len(self.audio) / per_s

    @property
    def is_encoded(self) -> bool:
        return isinstance(self.audio, torch.Tensor)

    @property
    def samples(self) -> np.ndarray:
        assert isinstance(self.audio, np.ndarray)
        return self.audio

    @property
    def encoded(self) -> torch.Tensor:
        assert isinstance(self.audio, torch.Tensor)
        return self.audio

    @property
    def token_budget(self) -> int:
        return self.budget or MIN_TOKENS + int(self.duration_s * TOKENS_PER_S)


def sampling_of(temperature: float) -> Sampling:
    """Greedy at 0, else among the likeliest tokens."""
    return Sampling(temperature=temperature, top_k=TOP_K)


def check_samples(samples: np.ndarray) -> None:
    """Raise `InvalidRequest` for samples that are no sound: NaN, infinite or beyond all measure."""
    peak = float(np.maximum(samples.max(initial=0.0), -samples.min(initial=0.0)))
    if not peak <= LOUDEST:
        raise InvalidRequest(f"AUDIO has a sample of {peak:g}; full scale is 1.0, the limit {LOUDEST:g}")
