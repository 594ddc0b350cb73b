"""/v1/images by OpenAI's own client, in front of the scripted server."""

import base64
import io
import json
from typing import Any

import httpx2 as httpx
import pytest
from fake_triton import FakeTriton
from openai import BadRequestError, OpenAI
from PIL import Image

from tests.gateway_thread import GatewayThread

PNG = ("a.png", b"\x89PNG")


def shown(encoded: str | None) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(encoded or "")))


def test_pictures(openai: OpenAI, triton: FakeTriton) -> None:
    drawn = openai.images.generate(
        model="gpt-image-1", prompt="a ring", n=2, size="64x48", quality="high", extra_body={"seed": 5}
    )
    assert [shown(one.b64_json).size for one in drawn.data or []] == [(64, 48)] * 2
    wanted = {"width": 64, "height": 48, "n": 2, "seed": 5}
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == wanted


def test_sizes_stand_for_others_where_the_profile_says_so(triton: FakeTriton) -> None:
    aliases = {"sizes": {"1024x1024": "64x64"}}
    with (
        GatewayThread(triton=(triton.address,), aliases=aliases) as gateway,
        OpenAI(base_url=f"{gateway.url}/v1", api_key="none") as openai,
    ):
        drawn = openai.images.generate(model="gpt-image-1", prompt="a ring", size="1024x1024")
    assert drawn.size == "64x64"


def test_dall_e_answers_with_urls_that_hold_the_picture(openai: OpenAI, http: httpx.Client) -> None:
    drawn = openai.images.generate(model="dall-e-3", prompt="a ring", style="vivid")
    [one] = drawn.data or []
    assert one.url is not None
    assert one.b64_json is None
    file = http.get(one.url)
    assert (file.status_code, file.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(file.content)).size == (64, 64)


@pytest.mark.parametrize("name", ["nothing.png", "..%2f..%2fetc%2fpasswd", "%2e%2e", "."])
def test_no_other_file_is_served(name: str, http: httpx.Client) -> None:
    answer = http.get(f"/files/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


def test_edits_and_masks(openai: OpenAI, http: httpx.Client, triton: FakeTriton) -> None:
    openai.images.edit(model="gpt-image-1", image=[PNG, PNG], prompt="blue")
    openai.images.edit(model="gpt-image-1", image=PNG, mask=("m.png", b"mask"), prompt="blue")
    uri = "data:image/png;base64," + base64.b64encode(PNG[1]).decode()
    body = {"model": "gpt-image-1", "prompt": "blue", "images": [{"image_url": uri}]}
    assert http.post("/v1/images/edits", json=body).status_code == 200
    several, painted, by_json = triton.received
    assert several.inputs["IMAGE"] == (PNG[1],) * 2
    assert (painted.inputs["IMAGE"], painted.inputs["MASK"]) == ((PNG[1],), b"mask")
    assert by_json.inputs["IMAGE"] == (PNG[1],)
    tasks = [json.loads(request.inputs["OPTIONS"])["task"] for request in triton.received]
    assert tasks == ["edit", "inpaint", "edit"]


def test_previews_and_the_picture(openai: OpenAI) -> None:
    with openai.images.generate(model="gpt-image-1", prompt="a ring", stream=True, partial_images=2) as events:
        told = list(events)
    assert [event.type for event in told] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert shown(told[-1].b64_json).format == "PNG"
    assert [event.partial_image_index for event in told[:2]] == [0, 1]  # type: ignore[union-attr]


def test_formats(openai: OpenAI, triton: FakeTriton) -> None:
    openai.images.generate(model="gpt-image-1", prompt="a ring", output_format="webp", output_compression=80)
    assert json.loads(triton.received[0].inputs["OPTIONS"]) == {"format": "webp", "quality": 80}


@pytest.mark.parametrize(
    ("options", "param"),
    [({"background": "transparent"}, "background"), ({"size": "large"}, "size"), ({"n": 11}, "n")],
)
def test_what_cannot_be_drawn_is_told(options: Any, param: str, http: httpx.Client) -> None:
    answer = http.post("/v1/images/generations", json={"prompt": "a ring", **options})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["param"] == param


def test_an_edit_without_a_picture(http: httpx.Client, openai: OpenAI) -> None:
    assert http.post("/v1/images/edits", json={"prompt": "blue"}).json()["error"]["code"] == "missing_file"
    with pytest.raises(BadRequestError):
        openai.images.edit(model="gpt-image-1", image=("a.png", b""), prompt="blue")
