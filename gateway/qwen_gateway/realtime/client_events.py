"""What clients send: bodies of the events of OpenAI's Realtime API."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from qwen_gateway.openai.bodies import OpenAIBody
from qwen_gateway.realtime.session import MAX_TEXT_CHARS

ItemId = Annotated[str, Field(min_length=1, max_length=128)]
CONTENT = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text", "output_audio"),
}
NEEDED = {"input_text": "text", "output_text": "text", "input_image": "image_url", "output_audio": "transcript"}


class ContentPart(OpenAIBody):
    type: Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]
    text: str | None = None
    transcript: str | None = None
    audio: str | None = None
    image_url: str | None = Field(default=None, pattern=r"^data:image/", description="a picture itself, as a data URI")

    @model_validator(mode="after")
    def _filled(self) -> "ContentPart":
        if self.type == "input_audio":
            if self.audio is None and self.transcript is None:
                raise ValueError("input_audio needs audio")
        elif getattr(self, NEEDED[self.type]) is None:
            raise ValueError(f"{self.type} needs {NEEDED[self.type]}")
        return self

    def kept(self) -> dict[str, Any]:
        """As the conversation keeps it: without sound, which is heard and dropped."""
        key = "transcript" if self.type == "input_audio" else NEEDED[self.type]
        return {"type": self.type, key: getattr(self, key)}


class ItemBody(OpenAIBody):
    type: Literal["message"]
    role: Literal["system", "user", "assistant"]
    content: list[ContentPart] = Field(min_length=1, max_length=100)
    id: ItemId | None = None

    @model_validator(mode="after")
    def _fitting(self) -> "ItemBody":
        for part in self.content:
            if part.type not in CONTENT[self.role]:
                raise ValueError(f"content of a {self.role} message is {' or '.join(CONTENT[self.role])}")
        if sum(part.audio is not None for part in self.content) > 1:
            raise ValueError("one part of an item has audio")
        return self


class SessionUpdate(OpenAIBody):
    session: dict[str, Any]


class Append(OpenAIBody):
    audio: str


class Create(OpenAIBody):
    item: ItemBody
    previous_item_id: ItemId | None = None


class OfItem(OpenAIBody):
    """Retrieve and delete."""

    item_id: ItemId


class Truncate(OfItem):
    content_index: int = Field(ge=0)
    audio_end_ms: int = Field(ge=0)


class Reference(OpenAIBody):
    type: Literal["item_reference"]
    id: ItemId


class ResponseOptions(OpenAIBody):
    """What a response does otherwise than its session: fields that are given."""

    conversation: Literal["auto", "none"] = "auto"
    input: list[Reference | ItemBody] | None = Field(default=None, max_length=100)
    instructions: str | None = Field(default=None, max_length=MAX_TEXT_CHARS)
    output_modalities: list[Literal["text", "audio"]] | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    audio: dict[str, Any] | None = None
    tools: list[Any] | None = None
    metadata: dict[str, str] | None = Field(default=None, max_length=16)

    def session_fields(self) -> dict[str, Any]:
        names = ("instructions", "output_modalities", "max_output_tokens", "audio", "tools")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class ResponseCreate(OpenAIBody):
    response: ResponseOptions | None = None


class ResponseCancel(OpenAIBody):
    response_id: ItemId | None = None
