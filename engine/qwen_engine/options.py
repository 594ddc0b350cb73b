"""OPTIONS of every model: one typed schema each; whatever it does not know it refuses by name."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qwen_engine.errors import InvalidRequest

Encoding = Literal["raw", "base64"]
AudioFormat = Literal["auto", "pcm_s16le", "pcm_f32le"]
Timestamps = Literal["none", "segment", "word", "char"]
ReturnFormat = Literal["text", "json", "verbose_json", "srt", "vtt"]
TextFeed = Literal["ahead", "beside"]
Aspect = Literal["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16"]
PictureSide = Annotated[int, Field(ge=16, le=16383)]  # WebP takes no more
PictureFormat = Literal["png", "webp", "jpeg"]
FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"  # no way out of its folder
ChunkFrames = Annotated[int, Field(ge=1, le=250)]
OptionsT = TypeVar("OptionsT", bound="Options")


class Options(BaseModel):
    """What every model accepts. `base64` serves callers whose transport is JSON, such as curl."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    input_encoding: Encoding = "raw"
    output_encoding: Encoding = "raw"

    def decode(self, payload: bytes, name: str) -> bytes:
        """Undo `input_encoding` of the binary tensor `name`."""
        if self.input_encoding == "raw":
            return payload
        try:
            return base64.b64decode(payload, validate=True)
        except binascii.Error as error:
            raise InvalidRequest(f"{name} is not base64, as OPTIONS.input_encoding says it is") from error

    def encode(self, payload: bytes) -> bytes:
        """Apply `output_encoding` to a binary output."""
        return payload if self.output_encoding == "raw" else base64.b64encode(payload)

    def request_fields(self, settings: BaseModel) -> dict[str, Any]:
        """What is meant for the engine; where nothing is asked for, the settings' value of the same name."""
        asked = self.model_dump(exclude={"input_encoding", "output_encoding"})
        return {name: getattr(settings, name, None) if value is None else value for name, value in asked.items()}

    def required(self, name: str) -> str:
        """The value of a field that this request cannot do without."""
        value: str | None = getattr(self, name)
        if not value:
            raise InvalidRequest(f"OPTIONS.{name} is missing")
        return value


class AudioOptions(Options):
    """For models that listen: a file says itself what is in it, raw samples need their form stated."""

    audio_format: AudioFormat = "auto"
    sample_rate_hz: int | None = Field(None, ge=4000, le=384000, description="of raw samples")
    num_channels: int = Field(1, ge=1, le=64, description="of raw samples, interleaved")

    @model_validator(mode="after")
    def _form_is_stated_for_raw_samples_only(self) -> Self:
        if self.audio_format == "auto":
            if self.sample_rate_hz is not None or self.num_channels != 1:
                raise ValueError(
                    f"OPTIONS.sample_rate_hz is {self.sample_rate_hz} and OPTIONS.num_channels {self.num_channels}, "
                    "but a file states its own; leave them out or set audio_format to 'pcm_s16le' or 'pcm_f32le'"
                )
        elif self.sample_rate_hz is None:
            raise ValueError(f"OPTIONS.sample_rate_hz is missing; raw samples ({self.audio_format}) need it")
        return self


class AsrOptions(AudioOptions):
    language: str | None = Field(None, description="name or ISO code; null or 'auto': detected")
    context: str = Field("", max_length=4000, description="words to expect, such as names")
    max_new_tokens: int | None = Field(None, ge=1, le=4096, description="of a piece of 30 s; null: from the duration")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0: greedy")
    seed: int = Field(0, ge=0, lt=2**63)
    timestamps: Timestamps = Field("segment", description="'word' and 'char' need the aligner")
    itn: bool = Field(False, description="write numbers and dates in figures; the text as spoken is kept")
    vad: bool = Field(True, description="false: silence is transcribed, too")
    return_format: ReturnFormat = Field("json", alias="return", description="what TEXT and RESULT hold")
    max_audio_s: float | None = Field(None, gt=0.0, description="longest recording taken; null: the profile's")

    @model_validator(mode="after")
    def _subtitles_have_times(self) -> Self:
        if self.return_format in ("srt", "vtt") and self.timestamps == "none":
            raise ValueError(
                f"OPTIONS.return is {self.return_format!r}, which needs times, but OPTIONS.timestamps is 'none'; "
                "allowed with it: segment, word, char"
            )
        return self


class AlignerOptions(AudioOptions):
    language: str | None = Field(None, description="name or ISO code of TEXT's language; null or 'auto': by its script")
    timestamps: Literal["word", "char"] = "word"


class CaptionOptions(AudioOptions):
    """They count where a stream starts."""

    audio_format: Literal["pcm_s16le", "pcm_f32le"] = "pcm_s16le"
    sample_rate_hz: int = Field(16000, ge=4000, le=384000)
    language: str | None = Field(None, description="name or ISO code; null or 'auto': detected")
    context: str = Field("", max_length=4000, description="words to expect, such as names")


class TtsOptions(Options):
    action: Literal["speak", "add_text", "add_voice", "list_voices", "remove_voice"] = "speak"
    voice: str | None = Field(None, description="a named speaker or a stored voice; null: the checkpoint's first")
    reference_text: str = Field("", max_length=2000, description="what REF_AUDIO says: the voice then continues it")
    consent: str = Field("", max_length=500, description="for add_voice: who allowed the use of the voice")
    instruction: str = Field("", max_length=2000, description="how to speak, where the checkpoint follows instructions")
    language: str = Field("auto", description="name, or 'auto'")
    seed: int = Field(0, ge=0, lt=2**63)
    temperature: float | None = Field(None, ge=0.0, le=2.0, description="0: greedy; null: the profile's")
    top_k: int | None = Field(None, ge=1, le=1000, description="null: the checkpoint's")
    top_p: float | None = Field(None, gt=0.0, le=1.0, description="null: the checkpoint's")
    repetition_penalty: float | None = Field(None, ge=1.0, le=2.0, description="null: the checkpoint's")
    sub_temperature: float | None = Field(None, ge=0.0, le=2.0, description="of a frame's later codes; null: as above")
    sub_top_k: int | None = Field(None, ge=1, le=1000, description="null: as top_k")
    sub_top_p: float | None = Field(None, gt=0.0, le=1.0, description="null: as top_p")
    max_audio_s: float | None = Field(None, gt=0.0, description="stop there at the latest; null: the profile's")
    text_feed: TextFeed = Field("ahead", description="'beside': the talker reads the text while it speaks")
    chunk_frames: tuple[ChunkFrames, ...] | None = Field(
        None, min_length=1, max_length=16, description="frames of 80 ms in each chunk, the last repeated; null: by load"
    )
    text_stream: str | None = Field(None, min_length=1, max_length=64, description="more text follows under this name")
    text_complete: bool = Field(False, description="for add_text: this is the end of the text")


class PictureOptions(Options):
    """For models that draw: the file that holds the picture."""

    format: PictureFormat = "png"
    quality: int | None = Field(None, ge=1, le=100, description="of jpeg and webp (100: lossless); null: 90")

    @model_validator(mode="after")
    def _png_keeps_everything(self) -> Self:
        if self.quality is not None and self.format == "png":
            raise ValueError(f"OPTIONS.quality is {self.quality}, but OPTIONS.format is 'png', which has none")
        return self


class ImageOptions(PictureOptions):
    action: Literal["draw", "list_styles"] = "draw"
    task: Literal["generate", "vary", "edit", "inpaint"] | None = Field(None, description="null: by what is given")
    width: PictureSide | None = Field(None, description="pixels; null: as the picture given, or the profile's")
    height: PictureSide | None = Field(None, description="pixels; null: as the picture given, or the profile's")
    aspect: Aspect | None = Field(None, description="at about the profile's number of pixels, in place of a size")
    steps: int | None = Field(None, ge=1, description="denoising steps; null: the preset's or the profile's")
    seed: int = Field(0, ge=0, lt=2**63)
    n: int = Field(1, ge=1, description="pictures, with the seeds seed, seed + 1, ...")
    negative_prompt: str = Field(" ", max_length=4000)
    true_cfg_scale: float | None = Field(None, ge=1.0, le=20.0, description="1: off; null: the preset's or profile's")
    strength: float | None = Field(None, gt=0.0, le=1.0, description="how much of a given picture may change")
    preset: Literal["fast", "balanced", "exact"] | None = Field(None, description="where the profile has it")
    style: str | None = Field(None, description="name of a style, which adds its words to the prompt")
    lora: str | None = Field(None, max_length=100, pattern=FILE_NAME, description="name in the profile's folder")
    preview_every: int | None = Field(None, ge=1, description="steps between previews; null: no previews")

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.aspect is not None and (self.width is not None or self.height is not None):
            raise ValueError(
                f"OPTIONS.aspect is {self.aspect!r}, but OPTIONS.width or OPTIONS.height is given, too: leave one out"
            )
        return self


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    role: Literal["system", "user", "assistant"]
    content: str


class ChatOptions(Options):
    messages: tuple[ChatMessage, ...] | None = Field(
        None, max_length=1000, description="the conversation, in place of text_input"
    )
    thinking: bool = Field(False, description="the model thinks before it answers `messages`")
    stream: bool = Field(True, description="false: the answer comes whole, in one event")
    max_tokens: int | None = Field(None, ge=1, description="of the answer; null: the profile's")
    temperature: float | None = Field(None, ge=0.0, le=2.0, description="0: greedy; null: profile's or checkpoint's")
    top_k: int | None = Field(None, ge=0, le=1000, description="0: all tokens; null: the checkpoint's")
    top_p: float | None = Field(None, gt=0.0, le=1.0, description="null: the checkpoint's")
    presence_penalty: float = Field(0.0, ge=-2.0, le=2.0, description="for tokens of the answer so far")
    frequency_penalty: float = Field(0.0, ge=-2.0, le=2.0, description="for each time they came")
    seed: int = Field(0, ge=0, lt=2**63)
    stop: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        (), max_length=16, description="the answer ends before the first of them"
    )
    json_schema: dict[str, Any] | None = Field(None, description="the answer is JSON of this schema")


class VisionOptions(Options):
    language: str | None = Field(None, description="name or ISO code of the answer's; null or 'auto': as it comes")
    max_new_tokens: int | None = Field(None, ge=1, le=4096, description="of the answer; null: the profile's")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0: greedy")
    seed: int = Field(0, ge=0, lt=2**63)


class ChartOptions(PictureOptions):
    width: int | None = Field(None, ge=240, le=4096, description="pixels; null: the profile's")
    height: int | None = Field(None, ge=100, le=16384, description="pixels; null: as high as the chart needs")
    scale: int = Field(1, ge=1, le=4, description="each pixel becomes scale x scale, in full sharpness")
    theme: Literal["light", "dark"] = "light"


@dataclass(frozen=True)
class Given:
    """What a tensor of its own says in place of a field of OPTIONS."""

    tensor: str
    value: Any


def parse_options(
    schema: type[OptionsT], payload: bytes, tensors: Mapping[str, Given] = MappingProxyType({})
) -> OptionsT:
    """Read an OPTIONS tensor, and `tensors`, by the field that each of them gives.

    Raises:
        InvalidRequest: not a JSON object, or a field that is unknown, of the wrong type, out of range or given twice.
    """
    try:
        return schema.model_validate_json(_joined(payload, tensors))
    except ValidationError as error:
        problems = (_explain(schema, problem, tensors) for problem in error.errors())
        raise InvalidRequest("; ".join(problems)) from None


def _joined(payload: bytes, tensors: Mapping[str, Given]) -> bytes:
    try:
        fields = json.loads(payload) if tensors else None
    except ValueError:  # the schema tells what is wrong with it
        return payload
    if not isinstance(fields, dict):
        return payload
    for field, given in tensors.items():
        if field in fields:
            raise InvalidRequest(f"{given.tensor} and OPTIONS.{field} are both given; leave one of them out")
    return json.dumps({**fields, **{field: given.value for field, given in tensors.items()}}).encode()


def _explain(schema: type[Options], problem: Mapping[str, Any], tensors: Mapping[str, Given]) -> str:
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden" and len(problem["loc"]) > 1:
        return f"OPTIONS.{field} is unknown"
    if problem["type"] == "extra_forbidden":
        known = (info.alias or name for name, info in schema.model_fields.items())
        return f"OPTIONS.{field} is unknown; allowed: {', '.join(known)}"
    if problem["type"] == "value_error":  # of fields that do not go together; the message names them
        return str(problem["ctx"]["error"])
    if not field:
        return f"OPTIONS is not a JSON object: {problem['msg']}"
    given = tensors.get(str(problem["loc"][0]))
    name = f"OPTIONS.{field}" if given is None else given.tensor
    return f"{name} is {json.dumps(problem['input'], default=str)[:80]}: {problem['msg']}"


def parse_text(payload: bytes, name: str) -> str:
    """The text of a payload tensor; `InvalidRequest` where it is not UTF-8."""
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}") from error
