"""What the OPTIONS of all models share, and of those that stream, listen or draw."""

import base64
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from qwen_wire.base64_text import decode_base64
from qwen_wire.errors import InvalidRequest

MAX_OPTIONS_BYTES = 2 << 20  # the longest prompt that profiles take, all of it escaped
MAX_OPTIONS_VALUES = 50_000
Encoding = Literal["raw", "base64"]
AudioFormat = Literal["auto", "pcm_s16le", "pcm_f32le"]
PictureFormat = Literal["png", "webp", "jpeg"]
FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"  # no way out of its folder
Token = Annotated[str, Field(min_length=1, max_length=100)]


class Options(BaseModel):
    """What every model accepts. `base64` serves callers whose transport is JSON, such as curl."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    max_json_bytes: ClassVar[int] = MAX_OPTIONS_BYTES
    max_json_values: ClassVar[int] = MAX_OPTIONS_VALUES

    input_encoding: Encoding = Field(
        "raw",
        description=(
            '`"base64"`: the binary inputs are base64 text, for JSON transports such as curl. Line breaks, the '
            "URL-safe alphabet (`-_`), missing padding and a data URI (`data:image/png;base64,...`) are "
            "understood"
        ),
    )
    output_encoding: Encoding = Field("raw", description='`"base64"`: the binary outputs are base64 text')
    cancel: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="the id of another request, of 16 characters or more: that one is ended. See Cancelling",
    )

    def decode(self, payload: bytes, name: str, max_bytes: int | None = None) -> bytes:
        """Undo `input_encoding` of the binary tensor `name`; what is far beyond `max_bytes` is refused before."""
        return payload if self.input_encoding == "raw" else decode_base64(payload, name, max_bytes)

    def encode(self, payload: bytes) -> bytes:
        """Apply `output_encoding` to a binary output."""
        return payload if self.output_encoding == "raw" else base64.b64encode(payload)

    def request_fields(self, settings: BaseModel) -> dict[str, Any]:
        """What is meant for the engine; where nothing is asked for, the settings' value of the same name."""
        asked = self.model_dump(exclude=set(Options.model_fields))
        return {name: getattr(settings, name, None) if value is None else value for name, value in asked.items()}

    def required(self, name: str) -> str:
        """The value of a field that this request cannot do without."""
        value: str | None = getattr(self, name)
        if not value:
            raise InvalidRequest(f"OPTIONS.{name} is missing")
        return value


class CancelOptions(BaseModel):
    """What is looked at before anything else: a request with `cancel` ends another one, and is nothing besides."""

    cancel: str | None = None


class StreamOptions(Options):
    """For models that answer in pieces."""

    stream: bool = Field(True, description="false: the answer comes whole, in one response. See Whole answers")


class AudioOptions(Options):
    """For models that listen: a file says itself what is in it, raw samples need their form stated."""

    audio_format: AudioFormat = Field(
        "auto", description='`"auto"`: a file, which states its own form. The others: raw little-endian samples'
    )
    sample_rate_hz: int | None = Field(None, ge=4000, le=384000, description="of raw samples, and required for them")
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


class PictureOptions(Options):
    """For models that draw: the file that holds the picture."""

    format: PictureFormat = Field("png", description="of the file")
    quality: int | None = Field(None, ge=1, le=100, description="of WebP (100: lossless) and JPEG; null: 90")
    recipe: bool = Field(True, description="false: the file tells neither prompt nor seed. See Pictures")

    @model_validator(mode="after")
    def _png_keeps_everything(self) -> Self:
        if self.quality is not None and self.format == "png":
            raise ValueError(f"OPTIONS.quality is {self.quality}, but OPTIONS.format is 'png', which has none")
        return self
