"""LoRAs through a server of their own: asked for by name, in no other way."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qwen_client import Client, InvalidRequest, Picture
from qwen_server.profiles import Profile, load_profile
from qwen_server.triton_process import Address, TritonProcess
from tests.image_checkpoints import make_lora

PROMPT = "A large green star on a white background."
OPTIONS = {"steps": 4, "seed": 5}


@pytest.fixture(scope="module")
def lora_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loras")
    make_lora(folder, "ink", seed=0)
    (folder / "broken.safetensors").write_bytes(b"no LoRA at all")
    return folder


@pytest.fixture(scope="module")
def drawing(lora_folder: Path) -> Iterator[Client]:
    """A client of a server that draws, and nothing else."""
    settings = load_profile("demo").models["qwen_image"]
    settings = settings.model_copy(update={"lora_folder": str(lora_folder), "edit_checkpoint": None})
    with TritonProcess(Profile({"qwen_image": settings}), Address.free()) as process:
        process.wait_ready()
        with Client(process.address.grpc) as client:
            yield client


def pixels(picture: Picture) -> np.ndarray:
    return np.asarray(picture.image.convert("RGB")).astype(int)


def test_a_lora_shows_in_its_own_pictures_and_is_in_their_recipe(drawing, tmp_path):
    plain = drawing.image.generate(PROMPT, **OPTIONS)
    inked = drawing.image.generate(PROMPT, lora="ink", **OPTIONS)
    assert np.abs(pixels(inked) - pixels(plain)).mean() > 1
    assert json.loads(inked.image.text["qwen_recipe"])["lora"] == "ink"
    inked.save(tmp_path / "inked.png")
    assert drawing.image.regenerate(tmp_path / "inked.png").data == inked.data
    assert drawing.image.generate(PROMPT, **OPTIONS).data == plain.data


@pytest.mark.parametrize("name", ["pencil", "../ink", "/tmp/ink", "ink.safetensors", "ink/", ".", "..", "", "ink\0"])
def test_other_names_and_ways_out_of_the_folder_are_refused(drawing, name):
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.lora is "):
        drawing.image.generate(PROMPT, lora=name, **OPTIONS)


def test_a_file_that_is_no_lora_fails_its_own_request(drawing):
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.lora is 'broken', whose file does not fit"):
        drawing.image.generate(PROMPT, lora="broken", **OPTIONS)
    assert drawing.image.generate(PROMPT, lora="ink", **OPTIONS).seed == 5
