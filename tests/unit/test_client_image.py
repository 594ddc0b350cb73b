"""`client.image` and `client.chains` against a scripted server."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client_scripts import SCRIPTS, png, progress_event
from fake_triton import FakeTriton, Payloads
from PIL import Image

from qwen_client import Client, InvalidRequest, Progress, ServerError, Size, Timings


def sent(triton: FakeTriton, name: str = "OPTIONS") -> dict[str, Any]:
    return json.loads(triton.received[-1].inputs[name])


def test_picture_carries_its_recipe(client: Client, triton: FakeTriton) -> None:
    picture = client.image.generate("a red circle", size=(32, 48), seed=5)

    assert picture.png == png(32, 48)
    assert picture.image.size == (picture.width, picture.height) == (32, 48)
    assert (picture.prompt, picture.seed) == ("a red circle", 5)
    assert picture.timings == Timings(queue_s=0.001, first_event_s=0.25, total_s=0.5)
    assert picture.request_id == triton.received[0].request_id != ""


def test_progress_is_told_step_by_step(client: Client) -> None:
    told: list[Progress] = []
    client.image.generate("a red circle", on_progress=told.append)

    assert told == [Progress(1, 3), Progress(2, 3), Progress(3, 3)]


def test_raising_in_on_progress_cancels(client: Client, triton: FakeTriton) -> None:
    def script(_: Payloads) -> Iterator[Payloads]:
        yield progress_event(0)
        triton.cancelled.wait()

    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    triton.scripts["qwen_image"] = script
    with pytest.raises(KeyboardInterrupt):
        client.image.generate("a red circle", on_progress=stop)

    assert triton.cancelled.wait(60)


@pytest.mark.parametrize("size", [(64, 48), "64x48"])
def test_size_is_width_and_height(size: Size, client: Client, triton: FakeTriton) -> None:
    client.image.generate("a red circle", size=size)

    assert sent(triton) == {"width": 64, "height": 48}


@pytest.mark.parametrize("size", [64, "64", "64x64"])
def test_one_number_is_a_square(size: Size, client: Client, triton: FakeTriton) -> None:
    client.image.generate("a red circle", size=size)

    assert sent(triton) == {"width": 64, "height": 64}


@pytest.mark.parametrize("size", ["big", "64x", "64x64x3", "-64", (64,), 64.0])
def test_other_sizes_are_refused_before_sending(size: Any, client: Client, triton: FakeTriton) -> None:
    with pytest.raises(InvalidRequest, match=r"give 64, \(64, 48\) or '64x48'"):
        client.image.generate("a red circle", size=size)

    assert triton.received == []


def test_options_are_sent_where_they_differ_from_the_defaults(client: Client, triton: FakeTriton) -> None:
    client.image.generate("a red circle", seed=0, negative_prompt=" ")
    assert sent(triton) == {}

    client.image.generate("a red circle", steps=4, seed=9, negative_prompt="blue", true_cfg_scale=4.0)
    assert sent(triton) == {"steps": 4, "seed": 9, "negative_prompt": "blue", "true_cfg_scale": 4.0}


def test_saves_the_servers_png_unchanged_and_other_formats(client: Client, tmp_path: Path) -> None:
    picture = client.image.generate("a red circle")
    for suffix in ("png", "jpg", "webp"):
        picture.save(tmp_path / f"circle.{suffix}")

    assert (tmp_path / "circle.png").read_bytes() == picture.png
    for suffix, file_format in (("jpg", "JPEG"), ("webp", "WEBP")):
        with Image.open(tmp_path / f"circle.{suffix}") as saved:
            assert (saved.format, saved.size) == (file_format, (64, 64))
    with pytest.raises(InvalidRequest, match="no known picture suffix"):
        picture.save(tmp_path / "circle.wav")


def test_notebooks_show_it(client: Client) -> None:
    picture = client.image.generate("a <red> circle")

    assert Image.open(io.BytesIO(picture._repr_png_())).size == (64, 64)
    assert "a &lt;red&gt; circle, seed 0" in picture._repr_html_()


def test_an_ending_without_a_picture_is_an_error(client: Client, triton: FakeTriton) -> None:
    def script(inputs: Payloads) -> Iterator[Payloads]:
        *_, end = SCRIPTS["qwen_image"](inputs)
        yield end

    triton.scripts["qwen_image"] = script
    with pytest.raises(ServerError, match="no picture"):
        client.image.generate("a red circle")


def test_spoken_image_tells_what_was_heard(client: Client, triton: FakeTriton) -> None:
    told: list[Progress] = []
    spoken = client.chains.spoken_image(
        b"draw a ring", language="English", size=32, steps=3, seed=2, on_progress=told.append
    )

    assert spoken.heard == "11 bytes"
    assert spoken.picture.image.size == (32, 32)
    assert spoken.picture.seed == 2
    assert told[-1] == Progress(3, 3)
    assert sent(triton, "ASR_OPTIONS") == {"language": "English"}
    assert sent(triton, "IMAGE_OPTIONS") == {"width": 32, "height": 32, "steps": 3, "seed": 2}
    assert "11 bytes" in spoken._repr_html_()
