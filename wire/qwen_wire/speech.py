"""Speech and voices: EVENT of `qwen3_tts`."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from qwen_wire.messages import CONFIG, EndEvent, absent

CutBy = Literal["budget", "repetition", "silence"]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class AudioEvent:
    """The next samples stand in AUDIO; `frames` of 80 ms have been sent so far, `elapsed_s` after the request came.

    `consent`: the note to a `REF_AUDIO` that is cloned without being kept, in the first event of what it speaks.
    """

    index: int = 0
    type: Literal["audio"] = "audio"
    frames: int
    elapsed_s: float
    sample_rate_hz: int
    consent: str | None = absent()


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class SpeechFigures:
    """What the `end` of speech tells besides."""

    audio_s: float
    real_time_factor: float | None
    underrun_s: float
    cut_by: CutBy | None
    seed: int | None = absent()


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class SpeechEnd(SpeechFigures, EndEvent):
    """The end of speech: `finish_reason` "length" where it was cut; `real_time_factor`: seconds of work a second of it.

    A player that started at the first chunk would have run dry for `underrun_s`. `cut_by`: "budget" (`max_audio_s`, or
    far longer than the text can take), "repetition" (the talker went round in circles) or "silence" (four seconds).
    `seed`: of the random numbers, unless the speech is greedy.
    """


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class TextStreamOpened:
    """The first event of a text stream: whoever adds text needs the `token`."""

    index: int = 0
    type: Literal["text_stream"] = "text_stream"
    text_stream: str
    token: str = Field(repr=False)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class TextAdded:
    """So many characters were added to a text stream."""

    index: int = 0
    type: Literal["text"] = "text"
    chars: int


@dataclass(frozen=True, config=CONFIG)
class Voice:
    """A stored voice; `in_context`: it continues its reference, whose text was given, else it is imitated."""

    name: str
    consent: str
    reference_s: float
    created: str
    in_context: bool


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class VoiceAdded:
    """A voice is stored."""

    index: int = 0
    type: Literal["voice"] = "voice"
    added: Voice


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class VoiceRemoved:
    """The voice of this name is stored no more."""

    index: int = 0
    type: Literal["voice"] = "voice"
    removed: str


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class VoiceList:
    """Names of the checkpoint's own speakers, and the voices that are stored for the caller's tenant."""

    index: int = 0
    type: Literal["voices"] = "voices"
    speakers: tuple[str, ...]
    voices: tuple[Voice, ...]
