"""OPTIONS of pictures: drawn, understood, and drawn from data."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from qwen_wire.options.base import FILE_NAME, Options, PictureOptions, StreamOptions
from qwen_wire.theme import ThemeName

Aspect = Literal["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16"]
MAX_SIDE_PX = 16_383  # WebP takes no more
PictureSide = Annotated[int, Field(ge=16, le=MAX_SIDE_PX)]


class ImageOptions(PictureOptions, StreamOptions):
    action: Literal["draw", "list_styles"] = Field(
        "draw", description='`"list_styles"` names the styles; `PROMPT` is then empty'
    )
    task: Literal["generate", "vary", "edit", "inpaint"] | None = Field(
        None, description="null: by what is given. See Pictures"
    )
    width: PictureSide | None = Field(None, description="pixels, rounded to a multiple of 16; null: see Pictures")
    height: PictureSide | None = Field(None, description="pixels, rounded to a multiple of 16; null: see Pictures")
    aspect: Aspect | None = Field(
        None, description="in place of a size: about as many pixels as the profile's size has"
    )
    steps: int | None = Field(
        None, ge=1, description="denoising steps, up to the profile's `max_steps`; null: the preset's or the profile's"
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="same seed, same picture; batching may change a channel by 1/255; null: random. See Seeds",
    )
    n: int = Field(
        1, ge=1, description="so many pictures, with the seeds `seed`, `seed` + 1, …; up to the profile's `max_images`"
    )
    negative_prompt: str = Field(" ", max_length=4000, description="what not to draw")
    true_cfg_scale: float | None = Field(
        None, ge=1.0, le=20.0, description="guidance, 1: off; null: the preset's or the profile's"
    )
    strength: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        description=('how much of `IMAGE` may change, for `"vary"` or with a `MASK`; null: 0.6, or 1 with a mask'),
    )
    preset: Literal["fast", "balanced", "exact"] | None = Field(None, description="where the profile has it")
    style: str | None = Field(
        None, max_length=100, description="a name from `list_styles`; it adds words to the prompt"
    )
    lora: str | None = Field(
        None, max_length=100, pattern=FILE_NAME, description="name of a LoRA in the profile's folder"
    )
    preview_every: int | None = Field(None, ge=1, description="steps between previews; null: no previews")

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.aspect is not None and (self.width is not None or self.height is not None):
            raise ValueError(
                f"OPTIONS.aspect is {self.aspect!r}, but OPTIONS.width or OPTIONS.height is given, too: leave one out"
            )
        return self

    @model_validator(mode="after")
    def _one_picture_where_it_comes_whole(self) -> Self:
        asked = f"OPTIONS.n is {self.n}" if self.n != 1 else f"OPTIONS.preview_every is {self.preview_every}"
        if not self.stream and (self.n != 1 or self.preview_every is not None):
            raise ValueError(f"{asked}, but OPTIONS.stream is false: the one response has room for one picture alone")
        return self


class TextPart(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["text"]
    text: str


class ImagePart(BaseModel):
    """The next picture of IMAGE."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["image"]


class VisionMessage(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    role: Literal["system", "user", "assistant"]
    content: str | tuple[Annotated[TextPart | ImagePart, Field(discriminator="type")], ...] = Field(max_length=10_000)

    @property
    def parts(self) -> tuple[TextPart | ImagePart, ...]:
        return (TextPart(type="text", text=self.content),) if isinstance(self.content, str) else self.content


class VisionOptions(Options):
    messages: tuple[VisionMessage, ...] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description=(
            'a conversation about the pictures, in place of `TEXT`: a list of `role` (`"system"`, `"user"` or '
            '`"assistant"`) and `content`, a text or parts `{"type": "text", "text"}` and `{"type": "image"}`, one for '
            "each picture of `IMAGE`, in order; the last message is the user's"
        ),
    )
    language: str | None = Field(None, description='of the answer; null or `"auto"`: as it comes')
    max_new_tokens: int | None = Field(None, ge=1, le=4096, description="of the answer; null: the profile's")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0: greedy")
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="same seed, same text, whatever else is in the batch; null: random. See Seeds",
    )

    @model_validator(mode="after")
    def _messages_go_alone(self) -> Self:
        if self.messages is not None and self.language is not None:
            raise ValueError("OPTIONS.language goes with TEXT; in OPTIONS.messages, ask for the language")
        if self.messages is not None and self.messages[-1].role != "user":
            role = self.messages[-1].role
            raise ValueError(f"OPTIONS.messages end with a message of the {role}; the last one must be the user's")
        return self


class ChartOptions(PictureOptions):
    width: int | None = Field(None, ge=240, le=4096, description="pixels; null: the profile's (1200)")
    height: int | None = Field(
        None,
        ge=100,
        le=MAX_SIDE_PX,
        description="pixels; null: as high as the chart needs. What needs more is refused, not cut",
    )
    scale: int = Field(1, ge=1, le=4, description="each of these pixels becomes `scale` x `scale` in the picture")
    theme: ThemeName = Field("light", description="colours")
