"""OPTIONS of recognition, alignment, captions and synthesis."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from qwen_wire.options.base import AudioOptions, StreamOptions, Token

Timestamps = Literal["none", "segment", "word", "char"]
WordTimestamps = Literal["word", "char"]
ReturnFormat = Literal["text", "json", "verbose_json", "srt", "vtt"]
TextFeed = Literal["ahead", "beside"]
ChunkFrames = Annotated[int, Field(ge=1, le=250)]


class AsrOptions(AudioOptions):
    language: str | None = Field(
        None, description='a language, in any form of the table below; null or `"auto"`: detected'
    )
    context: str = Field("", max_length=4000, description="words to expect, such as names")
    max_new_tokens: int | None = Field(
        None, ge=1, le=4096, description="of each piece of a recording, which has 30 s at most; null: from the duration"
    )
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0: greedy")
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="same seed, same text, whatever else is in the batch; null: random. See Seeds",
    )
    timestamps: Timestamps = Field("segment", description='`"word"` and `"char"` need the aligner')
    itn: bool = Field(
        False,
        description=(
            "numbers, dates and amounts are written in figures (Chinese, Cantonese, English, Japanese); the text "
            "as spoken is kept"
        ),
    )
    vad: bool = Field(True, description="false: silence is transcribed, too, and a recording is cut by length alone")
    return_format: ReturnFormat = Field("json", alias="return", description="what `TEXT` and `RESULT` hold")
    max_audio_s: float | None = Field(
        None,
        gt=0.0,
        description="longest recording taken, up to the profile's `max_job_audio_s`; null: its `max_audio_s`",
    )

    @model_validator(mode="after")
    def _subtitles_have_times(self) -> Self:
        if self.return_format in ("srt", "vtt") and self.timestamps == "none":
            raise ValueError(
                f"OPTIONS.return is {self.return_format!r}, which needs times, but OPTIONS.timestamps is 'none'; "
                "allowed with it: segment, word, char"
            )
        return self


class AlignerOptions(AudioOptions):
    language: str | None = Field(None, description='of `TEXT`; null or `"auto"`: by its script')
    timestamps: WordTimestamps = Field("word", description="what gets a time")


class CaptionOptions(AudioOptions):
    """They count where a stream starts, but for the token."""

    audio_format: Literal["pcm_s16le", "pcm_f32le"] = Field("pcm_s16le", description="of the samples")
    sample_rate_hz: int = Field(16000, ge=4000, le=384000, description="of the samples")
    language: str | None = Field(None, description="as for `qwen3_asr`")
    context: str = Field("", max_length=4000, description="words to expect, such as names")
    token: Token | None = Field(None, description="that of the stream's first event: all calls but the first need it")


class TtsOptions(StreamOptions):
    action: Literal["speak", "add_text", "add_voice", "list_voices", "remove_voice"] = Field(
        "speak", description="what is done with a voice or a text stream. See Voices, Text streams"
    )
    voice: str | None = Field(None, max_length=100, description="a named speaker or a stored voice; null: see Voices")
    reference_text: str = Field("", max_length=2000, description="what `REF_AUDIO` says: the voice then continues it")
    consent: str = Field("", max_length=500, description="who allowed the use of the voice in `REF_AUDIO`. See Voices")
    instruction: str = Field("", max_length=2000, description="how to speak, where the checkpoint follows instructions")
    language: str | None = Field(None, description='one that the checkpoint speaks; null or `"auto"`: by the text')
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="same seed, same sound, whatever else is in the batch; null: random. See Seeds",
    )
    temperature: float | None = Field(
        None, ge=0.0, le=2.0, description="0: greedy; null: the profile's, else the checkpoint's"
    )
    top_k: int | None = Field(
        None, ge=1, le=1000, description="sampling of a frame's first code; null: the checkpoint's"
    )
    top_p: float | None = Field(
        None, gt=0.0, le=1.0, description="sampling of a frame's first code; null: the checkpoint's"
    )
    repetition_penalty: float | None = Field(
        None, ge=1.0, le=2.0, description="for first codes that came before; null: the checkpoint's"
    )
    sub_temperature: float | None = Field(
        None, ge=0.0, le=2.0, description="sampling of a frame's later codes; null: as `temperature`"
    )
    sub_top_k: int | None = Field(
        None, ge=1, le=1000, description="sampling of a frame's later codes; null: as `top_k`"
    )
    sub_top_p: float | None = Field(
        None, gt=0.0, le=1.0, description="sampling of a frame's later codes; null: as `top_p`"
    )
    max_audio_s: float | None = Field(
        None, gt=0.0, description="speech is cut there at the latest; null: the profile's"
    )
    text_feed: TextFeed = Field(
        "ahead", description='`"beside"`: the talker reads the text while it speaks, one token a frame'
    )
    chunk_frames: tuple[ChunkFrames, ...] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="frames of 80 ms in each chunk, the last number repeated; null: by load",
    )
    text_stream: str | None = Field(
        None, min_length=1, max_length=64, description="a name under which more text follows"
    )
    token: Token | None = Field(None, description="for `add_text`: that of the text stream's first event")
    text_complete: bool = Field(False, description="for `add_text`: this is the end of the text")

    @model_validator(mode="after")
    def _a_text_stream_tells_its_token(self) -> Self:
        if self.action == "speak" and self.text_stream is not None and not self.stream:
            raise ValueError(
                f"OPTIONS.text_stream is {self.text_stream!r}, but OPTIONS.stream is false: nobody would be told the "
                "token that more text needs"
            )
        return self
