"""Requests and results of recognition. Samples are float32, mono, 16 kHz."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np
import torch

from qwen_engine.asr.pieces import MAX_PIECE_S, split
from qwen_engine.asr.silence import BY_ENERGY, Span
from qwen_engine.asr.streaming_encoder import StreamingEncoderState
from qwen_engine.asr.vad.activity import Detector
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ
from qwen_engine.sampling import Sampling
from qwen_wire.errors import QwenError
from qwen_wire.languages import resolve_language
from qwen_wire.messages import FinishReason
from qwen_wire.transcripts import FailedPiece, VerboseSegment, Word

ENCODED_PER_S = 13
TOKENS_PER_S = 12  # fast speech needs about six BPE tokens a second
MIN_TOKENS = 32
TOP_K = 50
KEPT_SILENCE_S = 1.0

TimestampKind = Literal["none", "segment", "word", "char"]


@dataclass(frozen=True)
class AsrRequest:
    """One recording to transcribe.

    `language`: as `resolve_language` takes it; `context`: words to expect; `max_new_tokens`: budget of each piece of
    the recording, None: from its duration; `temperature` 0: greedy; `vad`: leave out what `detector`
    takes for silence; `max_piece_s`: longer recordings are cut; `damage_s`: seconds of it that are missing or could not
    be decoded; `pieces`: the spans to transcribe, once the request is prepared.
    """

    samples: np.ndarray
    language: str | None = None
    context: str = ""
    max_new_tokens: int | None = None
    temperature: float = 0.0
    seed: int = 0
    timestamps: TimestampKind = "segment"
    vad: bool = True
    detector: Detector = BY_ENERGY
    max_piece_s: float = MAX_PIECE_S
    damage_s: float = 0.0
    pieces: tuple[Span, ...] | None = None

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ

    @property
    def forced_language(self) -> str | None:
        """The language's English name, or None where it is to be detected."""
        return resolve_language(self.language, hears_dialects=True)

    @property
    def spans(self) -> Sequence[Span]:
        """The pieces to transcribe, in order; computed at each call, unless the request is `prepared`."""
        return self._found() if self.pieces is None else self.pieces

    def prepared(self) -> Self:
        """The same request with the pieces found and the language named. Raises `InvalidRequest`: an unknown one."""
        return replace(self, language=self.forced_language, pieces=tuple(self._found()))

    def _found(self) -> Sequence[Span]:
        """A single piece with little silence around it is the whole recording."""
        found = split(self.samples, self.max_piece_s, vad=self.vad, detector=self.detector)
        if len(found) == 1 and len(self.samples) - len(found[0]) <= KEPT_SILENCE_S * SAMPLE_RATE_HZ:
            return [Span(0, len(self.samples))]
        return found

    def piece(
        self,
        index: int,
        *,
        group: Hashable,
        on_result: Callable[["PieceResult"], None],
        on_error: Callable[[QwenError], None],
    ) -> "Piece":
        """Span number `index`, for the batch."""
        span = self.spans[index]
        return Piece(
            self.samples[span.start : span.end],
            group=group,
            on_result=on_result,
            on_error=on_error,
            context=self.context,
            language=self.forced_language,
            budget=self.max_new_tokens,
            sampling=sampling_of(self.temperature),
            seed=self.seed + index,
        )


@dataclass(frozen=True)
class Recognition:
    """`words`: only where they were asked for; `language`: that of most of the speech, None without speech. `seed`: of
    the random numbers; None: it is greedy."""

    text: str
    language: str | None
    duration_s: float
    segments: Sequence[VerboseSegment] = ()
    words: Sequence[Word] | None = None
    finish_reason: FinishReason = "stop"
    failed: Sequence[FailedPiece] = ()
    damage_s: float = 0.0
    seed: int | None = None


@dataclass(frozen=True)
class PieceResult:
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
    """A unit of the batch's work: at most half a minute of audio, and the callbacks for its result.

    `audio`: samples (n,), or what the encoder made of them (tokens, hidden); `encoder_state`: what was encoded of them
    before. `prefix`: token ids of an answer to continue; where a language is forced, that comes before them. Pieces
    of one `group` share the rows with other groups fairly. Exactly one of `on_result` and `on_error` is called, on the
    device thread.
    """

    audio: np.ndarray | torch.Tensor
    group: Hashable
    on_result: Callable[[PieceResult], None]
    on_error: Callable[[QwenError], None]
    context: str = ""
    language: str | None = None
    prefix: Sequence[int] = ()
    encoder_state: StreamingEncoderState | None = None
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
