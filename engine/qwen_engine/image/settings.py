"""Settings of `qwen_image`."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from qwen_engine.settings import CheckpointSettings, FileSettings


class Preset(BaseModel):
    """What a request's `preset` stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(ge=1)
    true_cfg_scale: float = Field(ge=1, description="1: no guidance")
    scheduler: Literal["checkpoint", "lightning"] = Field("checkpoint", description="'lightning' goes with its LoRAs")
    lora: str | None = Field(None, description="name in lora_folder")


class ImageSettings(FileSettings, CheckpointSettings):
    """`checkpoint` draws, varies and inpaints; `edit_checkpoint` follows instructions on pictures."""

    max_file_bytes: int = Field(128 << 20, ge=1024, description="size of a picture, decoded from base64")
    family: Literal["qwen-image"] = "qwen-image"
    edit_checkpoint: str | None = Field(None, description="folder or hub id; null: no editing by instruction")
    width: int = Field(1328, ge=16, description="pixels, if a request names none")
    height: int = Field(1328, ge=16)
    steps: int = Field(50, ge=1)
    true_cfg_scale: float = Field(4.0, ge=1)
    presets: dict[Literal["fast", "balanced", "exact"], Preset] = Field(default_factory=dict)
    max_requests: int = Field(64, ge=1, description="requests in progress; their pictures alternate")
    max_step_tokens: int = Field(16384, ge=1, description="tokens of all rows in one forward; one row at least")
    max_mixed_tokens: int = Field(
        0, ge=0, description="pictures of different sizes share a forward, padded to the largest, up to so many tokens"
    )
    max_pixels: int = Field(2048 * 2048, ge=256, description="pixels of a generated picture")
    max_input_pixels: int = Field(
        4096 * 4096, ge=256, description="pixels of an input picture, checked before decoding"
    )
    max_held_pixels: int = Field(
        256_000_000,
        ge=256,
        description=(
            "pixels held for all requests, 4 bytes each, of input pictures and of results with a mask; one request is "
            "always accepted"
        ),
    )
    max_references: int = Field(3, ge=1, description="pictures an edit may refer to")
    reference_pixels: int = Field(
        1024 * 1024, ge=1024, description="pixels of each reference as the transformer gets it"
    )
    max_images: int = Field(8, ge=1, description="pictures of one request")
    max_steps: int = Field(100, ge=1)
    max_prompt_chars: int = Field(4000, ge=1)
    max_prompt_tokens: int = Field(512, ge=1, le=1024, description="longer prompts are refused, never cut")
    max_cached_prompts: int = Field(64, ge=1, description="cached embeddings of prompts")
    lora_folder: str | None = Field(None, description="NAME.safetensors each; null: none")
    max_loras: int = Field(4, ge=1, description="LoRAs kept loaded")
    weights: Literal["as stored", "fp8", "int8"] = Field(
        "as stored", description="storage of the transformer's weights"
    )
    offload: Literal["none", "text_encoder", "group", "model"] = Field(
        "none", description="what is offloaded to CPU memory: the text encoder, all layers, or all idle components"
    )

    @model_validator(mode="after")
    def _one_checkpoint_makes_room(self) -> Self:
        if self.offload == "model" and self.edit_checkpoint is not None:
            raise ValueError(
                "offload is 'model', which makes room within one checkpoint, but there is an edit_checkpoint, too: "
                "leave it out, or use 'group' or 'text_encoder'"
            )
        return self
