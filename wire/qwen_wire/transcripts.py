"""What was said, and when: RESULT of `qwen3_asr` and `qwen3_aligner`, EVENT of `qwen3_asr_stream`.

Times are seconds from the start of the recording, in order.
"""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer
from pydantic.dataclasses import dataclass

from qwen_wire.messages import CONFIG, FinishReason, Seconds, Timings, absent

Damage = Annotated[Seconds, PlainSerializer(lambda seconds: max(0.001, round(seconds, 3)), when_used="json")]
"""Told only where there is any, and then never as nothing."""


def clock_time(time_s: float) -> str:
    """Seconds as 01:30, or 1:01:30 where there are hours."""
    minutes, seconds = divmod(int(time_s), 60)
    return f"{minutes:02d}:{seconds:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


@dataclass(frozen=True, config=CONFIG)
class Segment:
    """A stretch of the recording and what was said in it."""

    start_s: Seconds
    end_s: Seconds
    text: str


@dataclass(frozen=True, config=CONFIG)
class VerboseSegment(Segment):
    """A segment with its language and the number of tokens that its text has."""

    language: str | None
    num_tokens: int


@dataclass(frozen=True, config=CONFIG)
class Word:
    """A word (or character) and when it was said."""

    text: str
    start_s: Seconds
    end_s: Seconds


@dataclass(frozen=True, config=CONFIG)
class Cue:
    """What a subtitle shows from `start_s` to `end_s`, one line or two, apart by a line break."""

    start_s: Seconds
    end_s: Seconds
    text: str


@dataclass(frozen=True, config=CONFIG)
class FailedPiece:
    """A stretch of the recording that could not be written down, and why."""

    start_s: Seconds
    end_s: Seconds
    message: str


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Transcript:
    """RESULT of `qwen3_asr`. `language` is that of most of the speech, null where nothing was said.

    `raw_text`: the text as spoken, where numbers were written in figures. `segments`: not for `return` "text". `words`:
    where they were asked for. `cues`: with any timestamps. `damage_s`: seconds that are missing in the recording or
    could not be decoded. `failed`: stretches whose text, or the times of whose words, are missing. `finish_reason`
    "length": a piece was cut at `max_new_tokens`, or went on without end. `seed`: of the random numbers, where there
    was a temperature. `first_token_s`: when the first token was written, from the arrival of the request on.
    """

    language: str | None
    duration_s: Seconds
    text: str
    raw_text: str | None = absent()
    segments: tuple[VerboseSegment | Segment, ...] | None = absent()
    words: tuple[Word, ...] | None = absent()
    cues: tuple[Cue, ...] | None = absent(repr=False)
    damage_s: Damage = absent(0.0)
    failed: tuple[FailedPiece, ...] = absent(())
    finish_reason: FinishReason = "stop"
    seed: int | None = absent()
    first_token_s: float | None = absent()
    timings: Timings | None = absent()


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Alignment:
    """RESULT of `qwen3_aligner`; `language` is null where neither option nor script tells it."""

    language: str | None
    duration_s: Seconds
    damage_s: Damage = absent(0.0)
    words: tuple[Word, ...]
    cues: tuple[Cue, ...]
    finish_reason: FinishReason = "stop"
    timings: Timings | None = absent()


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Caption:
    """What has been heard up to `audio_s`: `stable` will not change any more, `partial`, which follows it, still may.

    `segments` have ended since the caption before; number `segment` is running. The last caption `is_final`. The first
    one has the `token` that all further chunks need, and `idle_timeout_s`: a stream without chunks for so long is
    forgotten, and one without sound keeps it open. `finish_reason` "length": one of those segments went on without
    end, and was cut.
    """

    type: Literal["captions"] = "captions"
    index: int
    stable: str
    partial: str
    language: str | None
    segment: int
    segments: tuple[Segment, ...]
    audio_s: float
    is_final: bool
    token: str | None = absent(repr=False)
    idle_timeout_s: float | None = absent(repr=False)
    finish_reason: FinishReason = "stop"
    timings: Timings | None = absent()

    @property
    def text(self) -> str:
        return self.stable + self.partial

    def as_dict(self) -> dict[str, Any]:
        """What is heard, as JSON writes it; without what concerns the connection."""
        left_out = ("type", "token", "idle_timeout_s", "timings")
        return {name: value for name, value in asdict(self).items() if name not in left_out}
