"""/v1/images: generations and edits."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field, field_validator

from qwen_client import Picture, Progress
from qwen_gateway.body import FORM, JSON, Upload, documented, read_body
from qwen_gateway.context import Context, ContextOf
from qwen_gateway.errors import bad_request
from qwen_gateway.files import decoded
from qwen_gateway.leaving import unless_left
from qwen_gateway.names import require_model
from qwen_gateway.openai.bodies import OpenAIBody
from qwen_gateway.remote_files import is_url
from qwen_gateway.streaming import Parts, base64_text, begun, event, event_response

router = APIRouter(prefix="/v1/images", tags=["OpenAI: images"])

URL_MODELS = "dall-e"  # whose clients expect a URL where they ask for no format
PREVIEWS = 3
MAX_PICTURES = 16  # to edit, as in OpenAI's API
MIN_QUALITY = 1
NO_USAGE = {
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}


class ImageBody(OpenAIBody):
    prompt: str = Field(min_length=1, max_length=32_000)
    model: str = "gpt-image-1"
    n: int = Field(default=1, ge=1, le=10)
    size: str | None = Field(default=None, pattern=r"^(auto|\d{1,5}x\d{1,5})$")
    quality: Literal["auto", "standard", "hd", "low", "medium", "high"] | None = None
    style: str | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    output_format: Literal["png", "webp", "jpeg"] = "png"
    output_compression: int | None = Field(default=None, ge=0, le=100)
    response_format: Literal["url", "b64_json"] | None = None
    stream: bool = False
    partial_images: int = Field(default=0, ge=0, le=PREVIEWS)
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="not OpenAI's: same seed, same picture")


class EditBody(ImageBody):
    image: list[Upload] = Field(default=[], description="pictures, in a form")
    mask: Upload | None = Field(default=None, description="transparent where the first picture is to change")
    images: list[dict[str, Any]] = Field(
        default=[], max_length=MAX_PICTURES, description='in JSON: [{"image_url": a data URI, or a URL}]'
    )

    @field_validator("image", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return [value] if isinstance(value, bytes) else value


@router.post("/generations", openapi_extra=documented(ImageBody), response_model=None)
async def generations(context: ContextOf) -> Response | dict[str, Any]:
    """Draw pictures."""
    body = await read_body(context.request, ImageBody)
    return await _drawn(context, body, {}, "image_generation")


@router.post("/edits", openapi_extra=documented(EditBody, FORM, JSON), response_model=None)
async def edits(context: ContextOf) -> Response | dict[str, Any]:
    """Change pictures by instruction, or draw a part of one anew."""
    body = await read_body(context.request, EditBody)
    given: dict[str, Any] = {"images": await _pictures(context, body), "mask": body.mask}
    given["task"] = "edit" if body.mask is None else "inpaint"
    return await _drawn(context, body, given, "image_edit")


async def _pictures(context: Context, body: EditBody) -> list[bytes]:
    urls = [one.get("image_url") for one in body.images]
    texts = [text for url in urls if isinstance(text := url.get("url") if isinstance(url, dict) else url, str)]
    if len(texts) < len(urls):
        raise bad_request("images holds an object without image_url", param="images")
    fetched = await unless_left(context.request, context.remote_files.fetch_all(filter(is_url, texts), "images"))
    most = context.settings.max_file_bytes
    sent = [fetched[text] if text in fetched else await decoded(text, "images", most) for text in texts]
    pictures = [*body.image, *sent]
    if not pictures or not all(pictures):
        raise bad_request("send a picture as image", param="image", code="missing_file")
    return pictures


async def _drawn(context: Context, body: ImageBody, given: dict[str, Any], kind: str) -> Response | dict[str, Any]:
    require_model(context, body.model, "qwen_image")
    if body.background == "transparent":
        raise bad_request("background is transparent: pictures here are opaque", param="background")
    if body.stream:
        events = await unless_left(context.request, begun(_events(context, body, given, kind)))
        return event_response(events, context.settings.keep_alive_s)
    options = {**_options(context, body), **given}
    drawn = await context.ask(lambda client: client.image.generate(body.prompt, **options))
    return {
        "created": int(time.time()),
        "data": [_picture(context, body, one) for one in drawn.all],
        "output_format": body.output_format,
        "size": f"{drawn.width}x{drawn.height}",
        "background": "opaque",
        "usage": NO_USAGE,
    }


def _picture(context: Context, body: ImageBody, picture: Picture) -> dict[str, Any]:
    wanted = body.response_format or ("url" if body.model.startswith(URL_MODELS) else "b64_json")
    if wanted == "url":
        name = context.kept_files.add(picture.data, f"image/{picture.format}")
        return {"url": str(context.request.url_for("kept_file", name=name)), "revised_prompt": picture.prompt}
    return {"b64_json": base64_text(picture.data), "revised_prompt": picture.prompt}


def _options(context: Context, body: ImageBody) -> dict[str, Any]:
    size = None if body.size in (None, "auto") else context.settings.aliases.size(str(body.size))
    style = None if body.style in (None, "vivid", "natural") else body.style  # those two are DALL-E's own
    quality = None if body.output_compression is None else max(MIN_QUALITY, body.output_compression)
    given = {"size": size, "style": style, "seed": body.seed, "quality": quality}
    return {
        "n": body.n,
        "format": body.output_format,
        **{name: value for name, value in given.items() if value is not None},
    }


async def _events(context: Context, body: ImageBody, given: dict[str, Any], kind: str) -> Parts:
    """Previews, then the picture."""
    created_s = int(time.time())
    common = {"created_at": created_s, "background": "opaque", "quality": body.quality or "auto"}
    num_sent = 0
    async with aclosing(_progress(context, body, given)) as progress:
        async for one in progress:
            if isinstance(one, Picture):
                told = {"b64_json": base64_text(one.data), "output_format": one.format, "usage": NO_USAGE}
                size = f"{one.width}x{one.height}"
                yield event({"type": f"{kind}.completed", **told, "size": size, **common}, f"{kind}.completed")
            elif one.preview_jpeg is not None and num_sent < body.partial_images:
                told = {"b64_json": base64_text(one.preview_jpeg), "output_format": "jpeg"}
                name, size = f"{kind}.partial_image", body.size or "auto"
                yield event({"type": name, **told, "partial_image_index": num_sent, "size": size, **common}, name)
                num_sent += 1


async def _progress(
    context: Context, body: ImageBody, given: dict[str, Any]
) -> AsyncGenerator[Progress | Picture, None]:
    every: dict[str, Any] = {"preview_every": 1} if body.partial_images else {}
    with context.upstream.server() as client:
        stream = client.image.stream(body.prompt, **_options(context, body), **given, **every)
        async with stream as events:
            async for one in events:
                if isinstance(one, Progress | Picture):
                    yield one
