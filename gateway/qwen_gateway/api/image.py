"""POST /api/v1/image/generate and /api/v1/image/edit."""

import time
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from qwen_client import Picture
from qwen_gateway.api import PREFIX, milliseconds_since
from qwen_gateway.body import FORM, JSON, Body, Upload, documented, read_body
from qwen_gateway.context import Context, ContextOf
from qwen_gateway.files import decoded, one_file
from qwen_gateway.streaming import base64_text

router = APIRouter(prefix=f"{PREFIX}/image", tags=["pictures"])


class PictureSize(Body):
    width: int = Field(ge=16, le=16_383)
    height: int = Field(ge=16, le=16_383)


class ImageOptions(Body):
    num_steps: int | None = Field(default=None, ge=1, description="denoising steps")
    guidance_scale: float | None = Field(default=None, ge=1, description="how closely the prompt is followed")
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="same seed, same picture; none: a random one")
    negative_prompt: str | None = Field(default=None, description="what is not to be seen")
    n: int = Field(default=1, ge=1, le=10, description="pictures")


class GenerateBody(Body):
    prompt: str = Field(min_length=1)
    style: str | None = None
    size: PictureSize | None = None
    options: ImageOptions = ImageOptions()


class EditBody(GenerateBody):
    """The picture to edit: `image_data` in base64, or the `file` of a form; white parts of `mask` are drawn anew."""

    file: Upload | None = None
    image_data: str | None = None
    image_url: str | None = Field(default=None, description="https URL, where the setting remote_hosts has its host")
    mask: Upload | None = None
    mask_data: str | None = None


class OnePicture(BaseModel):
    image_data: str
    seed: int


class ImageAnswer(BaseModel):
    """`image_data`: a PNG file in base64; `generation_time` in milliseconds. `images`: all of them."""

    image_data: str
    generation_time: float
    size: PictureSize
    seed: int
    images: list[OnePicture]


@router.post("/generate", response_model=ImageAnswer, openapi_extra=documented(GenerateBody))
async def generate(context: ContextOf) -> Any:
    """Draw a picture."""
    begun_s = time.monotonic()
    body = await read_body(context.request, GenerateBody)
    drawn = await context.ask(lambda client: client.image.generate(body.prompt, **_options(body)))
    if body.options.seed is not None:
        context.keep_answer()
    return _answer(drawn, begun_s)


@router.post("/edit", response_model=ImageAnswer, openapi_extra=documented(EditBody, JSON, FORM))
async def edit(context: ContextOf) -> Any:
    """Change a picture by instruction, or where a mask is white."""
    begun_s = time.monotonic()
    body = await read_body(context.request, EditBody)
    image = await one_file(context, file=body.file, image_data=body.image_data, image_url=body.image_url)
    mask = await _mask(context, body)
    options = {**_options(body), "images": image, "mask": mask, "task": "edit" if mask is None else "inpaint"}
    drawn = await context.ask(lambda client: client.image.generate(body.prompt, **options))
    if body.options.seed is not None:
        context.keep_answer()
    return _answer(drawn, begun_s)


async def _mask(context: Context, body: EditBody) -> bytes | None:
    if body.mask_data is not None:
        return await decoded(body.mask_data, "mask_data", context.settings.max_file_bytes)
    return body.mask


def _options(body: GenerateBody) -> dict[str, Any]:
    options = body.options
    given = {
        "size": None if body.size is None else (body.size.width, body.size.height),
        "style": body.style,
        "steps": options.num_steps,
        "true_cfg_scale": options.guidance_scale,
        "seed": options.seed,
        "negative_prompt": options.negative_prompt,
    }
    return {"n": options.n, **{name: value for name, value in given.items() if value is not None}}


def _answer(drawn: Picture, begun_s: float) -> ImageAnswer:
    pictures = [OnePicture(image_data=base64_text(one.data), seed=one.seed) for one in drawn.all]
    return ImageAnswer(
        image_data=pictures[0].image_data,
        generation_time=milliseconds_since(begun_s),
        size=PictureSize(width=drawn.width, height=drawn.height),
        seed=drawn.seed,
        images=pictures,
    )
