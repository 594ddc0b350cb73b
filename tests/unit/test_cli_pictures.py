"""`qwen draw`, `edit`, `recipe` and `styles` against a scripted server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client_scripts import ENDING, encoded, event, progress_event
from command_line import assert_fails_on_one_line, qwen
from fake_triton import FakeTriton, Payloads
from PIL import Image

from qwen_client import read_recipe

pytestmark = pytest.mark.usefixtures("command_line")


def sent(triton: FakeTriton) -> dict[str, Any]:
    return json.loads(triton.received[-1].inputs["OPTIONS"])


def test_several_pictures_have_their_seeds_in_their_names(triton: FakeTriton) -> None:
    result = qwen("draw", "a red ring", "-o", "ring.png", "--n", "3", "--seed", "7")

    assert (result.exit_code, result.stdout.split(), result.stderr) == (
        0,
        ["ring-7.png", "ring-8.png", "ring-9.png"],
        "",
    )
    assert [read_recipe(file).seed for file in result.stdout.split()] == [7, 8, 9]
    assert not Path("ring.png").exists()


def test_a_contact_sheet_beside_them(triton: FakeTriton) -> None:
    result = qwen("draw", "a red ring", "--n", "4", "--seed", "7", "--contact-sheet")

    assert result.stdout.split() == [*(f"picture-{seed}.png" for seed in range(7, 11)), "picture-sheet.png"]
    with Image.open("picture-sheet.png") as sheet:
        assert sheet.size == (2 * 64 + 3 * 8, 2 * 64 + 3 * 8)
    assert json.loads(qwen("draw", "a ring", "--n", "2", "--json").stdout)[1]["file"] == "picture-1.png"


@pytest.mark.parametrize(("name", "asked"), [("x.webp", "webp"), ("x.jpg", "jpeg"), ("x.jpeg", "jpeg")])
def test_the_suffix_chooses_the_format_at_the_server(name: str, asked: str, triton: FakeTriton) -> None:
    qwen("draw", "a red ring", "-o", name, "--quality", "70")
    assert sent(triton) == {"format": asked, "quality": 70}


def test_formats_that_the_server_does_not_make_are_made_here(triton: FakeTriton) -> None:
    qwen("draw", "a red ring", "-o", "x.bmp")

    assert sent(triton) == {}
    with Image.open("x.bmp") as picture:
        assert picture.format == "BMP"


def test_draw_passes_on_what_was_asked_for(triton: FakeTriton) -> None:
    options = (
        "--size",
        "16:9",
        "--style",
        "anime",
        "--preset",
        "fast",
        "--lora",
        "ink",
        "--guidance",
        "3",
        "--avoid",
        "grey",
    )
    assert qwen("draw", "a red ring", *options).exit_code == 0

    assert sent(triton) == {
        "aspect": "16:9",
        "style": "anime",
        "preset": "fast",
        "lora": "ink",
        "true_cfg_scale": 3.0,
        "negative_prompt": "grey",
    }


def test_draw_over_a_picture_and_within_a_mask(triton: FakeTriton) -> None:
    Path("in.png").write_bytes(encoded(40, 40))
    Path("mask.png").write_bytes(encoded(40, 40, "WEBP"))

    qwen("draw", "a red ring", "--image", "in.png", "--strength", "0.5")
    assert sent(triton) == {"task": "vary", "strength": 0.5}
    assert triton.received[-1].inputs["IMAGE"] == (encoded(40, 40),)

    qwen("draw", "a red ring", "--image", "in.png", "--mask", "mask.png")
    assert sent(triton) == {"task": "inpaint"}
    assert triton.received[-1].inputs["MASK"] == encoded(40, 40, "WEBP")


def test_edit(triton: FakeTriton) -> None:
    for number in (1, 2):
        Path(f"in{number}.png").write_bytes(encoded(40 * number, 40))
    result = qwen("edit", "in1.png", "make the circle green", "-o", "out.png", "--mask", "in1.png", "--with", "in2.png")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "out.png\n", "")
    assert sent(triton) == {"task": "edit"}
    assert triton.received[-1].inputs["PROMPT"] == b"make the circle green"
    assert triton.received[-1].inputs["IMAGE"] == (encoded(40, 40), encoded(80, 40))
    assert read_recipe("out.png").task == "edit"
    assert qwen("edit", "in1.png", "-", stdin="make it blue\n").stdout == "edited.png\n"
    assert triton.received[-1].inputs["PROMPT"] == b"make it blue"


def test_the_preview_file_shows_the_first_picture_so_far(triton: FakeTriton) -> None:
    shown: list[tuple[int, int]] = []

    def script(_: Payloads) -> Iterator[Payloads]:
        for index in range(4):
            if Path("so-far.jpg").exists():
                with Image.open("so-far.jpg") as preview:
                    shown.append(preview.size)
            yield progress_event(index, picture=index % 2, preview=encoded(8 + index, 8, "JPEG"))
        yield {"IMAGE": b"", "TEXT": b"", "EVENT": event(4, "end", **{**ENDING, "finish_reason": "cancelled"})}

    triton.scripts["qwen_image"] = script
    result = qwen("draw", "a red ring", "--n", "2", "--preview", "so-far.jpg")

    assert_fails_on_one_line(result, "the server cancelled the request (CANCELLED)")
    assert sent(triton) == {"n": 2, "preview_every": 1}
    with Image.open("so-far.jpg") as preview:
        assert preview.size == (10, 8)
    assert set(shown) <= {(8, 8), (10, 8)}
    assert [path.name for path in Path().iterdir()] == ["so-far.jpg"]


def test_the_bar_tells_what_it_waits_for(triton: FakeTriton, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes stderr for a terminal

    def script(_: Payloads) -> Iterator[Payloads]:
        yield {"IMAGE": b"", "TEXT": b"", "EVENT": event(0, "queued", position=2)}
        yield {"IMAGE": b"", "TEXT": b"", "EVENT": event(1, "end", **{**ENDING, "finish_reason": "cancelled"})}

    triton.scripts["qwen_image"] = script
    assert "waiting for 2 others" in qwen("draw", "a red ring").stderr


def test_recipe_prints_what_a_picture_was_made_from(triton: FakeTriton) -> None:
    qwen("draw", "a red ring", "-o", "x.png", "--seed", "7")
    recipe = json.loads(qwen("recipe", "x.png").stdout)

    assert (recipe["prompt"], recipe["seed"], recipe["task"]) == ("a red ring", 7, "generate")
    assert "lora" not in recipe
    Path("other.png").write_bytes(encoded(8, 8))
    assert_fails_on_one_line(qwen("recipe", "other.png"), "other.png holds no recipe")
    assert_fails_on_one_line(qwen("recipe", "missing.png"), "No such file")


def test_styles_a_line_each(triton: FakeTriton) -> None:
    assert qwen("styles").stdout == "anime\tAnime\t动漫\n"
    assert json.loads(qwen("styles", "--json").stdout)[0]["template"]["en"] == "{prompt}, x"


def test_what_cannot_be_done_is_told_before_the_work(triton: FakeTriton) -> None:
    assert_fails_on_one_line(qwen("edit", "missing.png", "make it green"), "No such file")
    assert_fails_on_one_line(qwen("draw", "a ring", "--preview", "nowhere/x.jpg"), "there is no folder nowhere")
    assert qwen("draw", "a ring", "--n", "0").exit_code == 2
    assert qwen("draw", "a ring", "--preset", "instant").exit_code == 2
    assert triton.received == []
