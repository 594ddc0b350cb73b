"""The repository Triton is started with: completed configs beside links to the models' code."""

from pathlib import Path

import pytest

from qwen_engine.settings import AsrSettings
from qwen_server import repository
from qwen_server.errors import ServerError
from qwen_server.profiles import load_profile

GRPC = "127.0.0.1:8001"


def profile(folder: Path, text: str):
    file = folder / "mine.toml"
    file.write_text(text)
    return load_profile(str(file))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "checkpoint").mkdir()
    return tmp_path / "checkpoint"


def test_the_profile_s_settings_reach_the_model(tmp_path, checkpoint):
    asked = profile(tmp_path, f'[qwen3_asr]\ncheckpoint = "{checkpoint}"\ninstances = 3\nmax_batch = 5\n')
    (models, _), names = repository.stage(asked, tmp_path / "work", GRPC)
    assert names == ["qwen3_asr"]
    config = repository.read_config(models / "qwen3_asr")
    assert config.instance_group[0].count == 3
    settings = AsrSettings.model_validate_json(config.parameters["settings"].string_value)
    assert (settings.max_batch, settings.checkpoint) == (5, str(checkpoint))
    assert (models / "qwen3_asr" / "1" / "model.py").is_file()


def test_an_ensemble_is_served_where_all_its_members_are(tmp_path, checkpoint):
    text = f'[qwen3_asr]\ncheckpoint = "{checkpoint}"\n[qwen_image]\ncheckpoint = "{checkpoint}"\n'
    (_, chains), names = repository.stage(profile(tmp_path, text), tmp_path / "work", GRPC)
    assert names == ["qwen3_asr", "qwen_image", "spoken_image"]
    assert (chains / "spoken_image" / "1").is_dir()
    assert (chains / "spoken_image" / "config.pbtxt").is_file()


def test_staging_again_forgets_the_last_profile(tmp_path, checkpoint):
    for name in ("qwen3_asr", "qwen_image"):
        asked = profile(tmp_path, f'[{name}]\ncheckpoint = "{checkpoint}"\n')
        (models, _), _ = repository.stage(asked, tmp_path / "work", GRPC)
        assert [folder.name for folder in models.iterdir()] == [name]


def test_a_font_that_is_not_there_is_named(tmp_path):
    asked = profile(tmp_path, f'[chart_image]\nfont_folder = "{tmp_path}"\n')
    with pytest.raises(ServerError, match=r"the font NotoSansCJK-Regular\.ttc is not in .*fonts-noto-cjk"):
        repository.stage(asked, tmp_path / "work", GRPC)


@pytest.mark.parametrize("name", ["no/such-checkpoint", "nothing", "../nowhere"])
def test_a_checkpoint_that_is_not_there_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    asked = profile(tmp_path, f'[qwen3_asr]\ncheckpoint = "{name}"\n')
    with pytest.raises(ServerError, match=r"neither a folder nor in the Hugging Face cache; run `qwen pull"):
        repository.stage(asked, tmp_path / "work", GRPC)
