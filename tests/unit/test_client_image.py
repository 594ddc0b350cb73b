"""`client.image` and `client.chains` against a scripted server."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client_scripts import SCRIPTS, STYLE, encoded, progress_event
from fake_triton import FakeTriton, Payloads
from PIL import Image

from qwen_client import (
    Client,
    InvalidRequest,
    Picture,
    Progress,
    Queued,
    ServerError,
    Size,
    Style,
    Timings,
    contact_sheet,
    read_recipe,
)

STEPS = [Progress(1, 3, 0, 2.0), Progress(2, 3, 0, 1.0), Progress(3, 3, 0, 0.0)]
SOURCE = encoded(40, 40)
MASK = encoded(40, 40, "WEBP")


def sent(triton: FakeTriton, name: str = "OPTIONS") -> dict[str, Any]:
    return json.loads(triton.received[-1].inputs[name])


def test_picture_carries_its_recipe(client: Client, triton: FakeTriton) -> None:
    picture = client.image.generate("a red circle", size=(32, 48), seed=5)

    assert picture.image.size == (picture.width, picture.height) == (32, 48)
    assert (picture.prompt, picture.seed, picture.format) == ("a red circle", 5, "png")
    assert picture.timings == Timings(queue_s=0.001, first_event_s=0.25, total_s=0.5)
    assert picture.request_id == triton.received[0].request_id != ""
    assert (picture.recipe.prompt, picture.recipe.seed, picture.recipe.steps) == ("a red circle", 5, 3)


def test_progress_is_told_step_by_step(client: Client) -> None:
    told: list[Progress] = []
    client.image.generate("a red circle", on_progress=told.append)

    assert told == STEPS
    assert told[0].preview is None


def test_previews_are_pictures(client: Client, triton: FakeTriton) -> None:
    told: list[Progress] = []
    client.image.generate("a red circle", preview_every=1, on_progress=told.append)

    assert sent(triton) == {"preview_every": 1}
    assert [progress.preview.size for progress in told if progress.preview] == [(8, 8)] * 3


def test_a_stream_gives_every_event_as_it_comes(client: Client) -> None:
    with client.image.stream("a red circle", n=2) as stream:
        queued, *events = list(stream)

    assert queued == Queued(position=2)
    assert events[:3] == STEPS
    first, second = (event for event in events if isinstance(event, Picture))
    assert (first.picture, first.timings, second.picture) == (0, None, 1)
    assert stream.timings is not None
    assert stream.timings.total_s == 0.5


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


def test_several_pictures_come_with_the_first_one(client: Client) -> None:
    picture = client.image.generate("a red circle", n=3, seed=7)

    assert [one.seed for one in picture.all] == [7, 8, 9]
    assert [one.picture for one in picture.others] == [1, 2]
    assert {one.timings for one in picture.all} == {Timings(0.001, 0.25, 0.5)}


def test_pictures_come_in_their_order_whichever_is_ready_first(client: Client, triton: FakeTriton) -> None:
    def script(inputs: Payloads) -> Iterator[Payloads]:
        *events, end = SCRIPTS["qwen_image"](inputs)
        yield from reversed(events)
        yield end

    triton.scripts["qwen_image"] = script
    assert [one.seed for one in client.image.generate("a red circle", n=3, seed=7).all] == [7, 8, 9]


def test_a_contact_sheet_shows_them_side_by_side(client: Client) -> None:
    sheet = contact_sheet(client.image.generate("a red circle", size=(32, 16), n=5).all)

    assert sheet.size == (3 * 32 + 4 * 8, 2 * 16 + 3 * 8)
    reds = sum(pixel == (255, 0, 0) for pixel in sheet.get_flattened_data())
    assert reds == 5 * 32 * 16


@pytest.mark.parametrize("size", [(64, 48), "64x48"])
def test_size_is_width_and_height(size: Size, client: Client, triton: FakeTriton) -> None:
    client.image.generate("a red circle", size=size)

    assert sent(triton) == {"width": 64, "height": 48}


@pytest.mark.parametrize("size", [64, "64", "64x64"])
def test_one_number_is_a_square(size: Size, client: Client, triton: FakeTriton) -> None:
    client.image.generate("a red circle", size=size)

    assert sent(triton) == {"width": 64, "height": 64}


def test_a_size_may_be_an_aspect_ratio(client: Client, triton: FakeTriton) -> None:
    client.image.generate("a red circle", size="16:9")

    assert sent(triton) == {"aspect": "16:9"}


@pytest.mark.parametrize("size", ["big", "64x", "64x64x3", "-64", "16:", (64,), 64.0])
def test_other_sizes_are_refused_before_sending(size: Any, client: Client, triton: FakeTriton) -> None:
    with pytest.raises(InvalidRequest, match=r"give 64, \(64, 48\) or '64x48', or an aspect ratio"):
        client.image.generate("a red circle", size=size)

    assert triton.received == []


def test_options_are_sent_where_they_differ_from_the_defaults(client: Client, triton: FakeTriton) -> None:
    client.image.generate("a red circle", seed=None, negative_prompt=" ", n=1, format="png", recipe=True)
    assert sent(triton) == {}

    client.image.generate("a red circle", seed=0, recipe=False)
    assert sent(triton) == {"seed": 0, "recipe": False}

    client.image.generate("a red circle", steps=4, seed=9, negative_prompt="blue", true_cfg_scale=4.0)
    assert sent(triton) == {"steps": 4, "seed": 9, "negative_prompt": "blue", "true_cfg_scale": 4.0}


def test_pictures_that_are_not_given_are_not_sent(client: Client, triton: FakeTriton) -> None:
    client.image.generate("a red circle")

    assert set(triton.received[-1].inputs) == {"PROMPT", "OPTIONS"}


def test_edit_sends_one_picture_or_several_and_a_mask(client: Client, triton: FakeTriton) -> None:
    client.image.edit(SOURCE, "make it green")
    assert triton.received[-1].inputs["IMAGE"] == (SOURCE,)
    assert sent(triton) == {"task": "edit"}

    client.image.edit([SOURCE, MASK], "put both together", mask=MASK, steps=2)
    assert triton.received[-1].inputs["IMAGE"] == (SOURCE, MASK)
    assert triton.received[-1].inputs["MASK"] == MASK
    assert sent(triton) == {"task": "edit", "steps": 2}


def test_vary_and_inpaint(client: Client, triton: FakeTriton) -> None:
    client.image.vary(SOURCE, "a star", strength=0.4)
    assert sent(triton) == {"task": "vary", "strength": 0.4}

    client.image.inpaint(SOURCE, MASK, "a star")
    assert triton.received[-1].inputs["MASK"] == MASK
    assert sent(triton) == {"task": "inpaint"}

    client.image.inpaint(SOURCE, None, "a star")
    assert "MASK" not in triton.received[-1].inputs


def test_pictures_are_given_in_any_form(client: Client, triton: FakeTriton, tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    path.write_bytes(SOURCE)
    for source in (SOURCE, path, str(path), io.BytesIO(SOURCE)):
        client.image.edit(source, "make it green")
        assert triton.received[-1].inputs["IMAGE"] == (SOURCE,)

    client.image.edit(Image.open(path), "make it green")
    (png,) = triton.received[-1].inputs["IMAGE"]
    assert Image.open(io.BytesIO(png)).tobytes() == Image.open(path).tobytes()

    drawn = client.image.generate("a red circle")
    client.image.edit(drawn, "make it green")
    assert triton.received[-1].inputs["IMAGE"] == (drawn.data,)
    with pytest.raises(InvalidRequest, match="the picture is int"):
        client.image.edit(3, "make it green")  # type: ignore[arg-type]


def test_a_recipe_draws_the_picture_again(client: Client, triton: FakeTriton, tmp_path: Path) -> None:
    client.image.generate("a red circle", size=(32, 48), seed=5, n=2).others[0].save(tmp_path / "x.png")
    again = client.image.regenerate(tmp_path / "x.png")

    assert triton.received[-1].inputs["PROMPT"] == b"a red circle"
    assert sent(triton) == {"task": "generate", "width": 32, "height": 48, "steps": 3, "seed": 6}
    assert again.seed == 6


@pytest.mark.parametrize("size", [(250, 187), (9, 5), (20_000, 400), (250, 192)])
def test_a_size_that_a_mask_has_kept_is_not_asked_for_again(
    client: Client, triton: FakeTriton, size: tuple[int, int]
) -> None:
    images, mask = [hashlib.sha256(SOURCE).hexdigest()], hashlib.sha256(MASK).hexdigest()
    made = {"model": "qwen_image", "checkpoint": "image", "task": "inpaint", "prompt": "a star", "steps": 3, "seed": 6,
            "format": "png", "width": size[0], "height": size[1],
            "images_sha256": images, "mask_sha256": mask}  # fmt: skip
    client.image.regenerate(encoded(8, 8, recipe=made), images=SOURCE, mask=MASK)

    assert sent(triton) == {"task": "inpaint", "steps": 3, "seed": 6}


@pytest.mark.parametrize(("suffix", "kept"), [("png", "RGBA"), ("jpg", "RGB"), ("eps", "RGB"), ("pcx", "RGB")])
def test_transparency_is_saved_where_the_format_has_it(tmp_path: Path, suffix: str, kept: str) -> None:
    file = io.BytesIO()
    Image.new("RGBA", (8, 8), (200, 0, 0, 0)).save(file, "PNG")
    picture = Picture(file.getvalue(), "png", "a star", 8, 8, 0, 0, None, "id")
    picture.save(tmp_path / f"x.{suffix}")

    with Image.open(tmp_path / f"x.{suffix}") as saved:
        assert saved.mode == kept
    assert contact_sheet([picture]).getpixel((12, 12)) == (255, 255, 255)


def test_a_recipe_wants_the_files_it_was_made_from(client: Client, triton: FakeTriton) -> None:
    made = client.image.edit(SOURCE, "make it green", mask=MASK).data
    assert client.image.regenerate(made, images=SOURCE, mask=MASK).prompt == "make it green"
    assert triton.received[-1].inputs["IMAGE"] == (SOURCE,)

    asked = len(triton.received)
    for images, mask, complaint in [(None, MASK, "images: 0 given"), (MASK, MASK, "images: 1"), (SOURCE, None, "mask")]:
        with pytest.raises(InvalidRequest, match=complaint):
            client.image.regenerate(made, images=images, mask=mask)
    assert len(triton.received) == asked


def test_charts_are_drawn_again_elsewhere(client: Client, triton: FakeTriton) -> None:
    recipe = {"model": "chart_image", "checkpoint": "", "task": "gantt", "prompt": "{}", "width": 8, "height": 8,
              "steps": 0, "seed": 0, "format": "png"}  # fmt: skip
    with pytest.raises(InvalidRequest, match="the picture is of chart_image"):
        client.image.regenerate(encoded(8, 8, recipe=recipe))
    assert triton.received == []


def test_pictures_without_a_recipe_are_refused(client: Client, tmp_path: Path) -> None:
    for number, (data, complaint) in enumerate(
        [
            (SOURCE, "holds no recipe"),
            (MASK, "holds no recipe"),
            (b"nothing", "cannot be read as a picture"),
            (encoded(8, 8, recipe={"prompt": "a ring"}), "a recipe that cannot be read"),
        ]
    ):
        path = tmp_path / f"{number}.png"
        path.write_bytes(data)
        for file in (path, data, io.BytesIO(data)):
            with pytest.raises(InvalidRequest, match=complaint):
                client.image.recipe(file)
    with pytest.raises(FileNotFoundError):
        read_recipe(tmp_path / "missing.png")


def test_styles_are_listed(client: Client) -> None:
    assert client.image.styles() == (Style(**STYLE),)


def test_saves_the_servers_file_unchanged_and_other_formats(client: Client, tmp_path: Path) -> None:
    picture = client.image.generate("a red circle", format="webp")
    for suffix in ("png", "jpg", "webp"):
        picture.save(tmp_path / f"circle.{suffix}")

    assert (tmp_path / "circle.webp").read_bytes() == picture.data
    for suffix, file_format in (("jpg", "JPEG"), ("png", "PNG")):
        with Image.open(tmp_path / f"circle.{suffix}") as saved:
            assert (saved.format, saved.size) == (file_format, (64, 64))
    with pytest.raises(InvalidRequest, match="no known picture suffix"):
        picture.save(tmp_path / "circle.wav")


def test_notebooks_show_it(client: Client) -> None:
    for file_format in ("png", "jpeg"):
        picture = client.image.generate("a <red> circle", format=file_format)  # type: ignore[arg-type]

        assert Image.open(io.BytesIO(picture._repr_png_())).format == "PNG"
        assert "a &lt;red&gt; circle, seed 0" in picture._repr_html_()
        assert f"data:image/{file_format};" in picture._repr_html_()


def test_an_ending_without_a_picture_is_an_error(client: Client, triton: FakeTriton) -> None:
    def script(inputs: Payloads) -> Iterator[Payloads]:
        *_, end = SCRIPTS["qwen_image"](inputs)
        yield end

    triton.scripts["qwen_image"] = script
    with pytest.raises(ServerError, match="no picture"):
        client.image.generate("a red circle")
    with pytest.raises(ServerError, match="empty"):
        client.image.styles()


def test_spoken_image_tells_what_was_not_heard(client: Client, triton: FakeTriton) -> None:
    wrong = {"finish_reason": "length", "failed": [{"start_s": 1.0, "end_s": 2.5, "message": "no room"}]}

    def script(inputs: Payloads) -> Iterator[Payloads]:
        *events, end = SCRIPTS["spoken_image"](inputs)
        yield from events
        yield {**end, "EVENT": json.dumps({**json.loads(end["EVENT"]), "heard": wrong}).encode()}

    assert client.chains.spoken_image(b"draw a ring").shortfalls == ()
    triton.scripts["spoken_image"] = script
    spoken = client.chains.spoken_image(b"draw a ring")
    assert [str(one) for one in spoken.shortfalls] == [
        "heard: it was cut at the limit of its length",
        "heard: what is said from 1 to 2.5 s is missing: no room",
    ]


def test_spoken_image_tells_what_was_heard(client: Client, triton: FakeTriton) -> None:
    told: list[Progress] = []
    spoken = client.chains.spoken_image(
        b"draw a ring", language="English", size=32, steps=3, seed=2, on_progress=told.append
    )

    assert spoken.heard == "11 bytes"
    assert spoken.picture.image.size == (32, 32)
    assert spoken.picture.seed == 2
    assert told == STEPS
    assert sent(triton, "ASR_OPTIONS") == {"language": "English"}
    assert sent(triton, "IMAGE_OPTIONS") == {"width": 32, "height": 32, "steps": 3, "seed": 2}
    assert "11 bytes" in spoken._repr_html_()
