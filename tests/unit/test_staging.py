"""The repository Triton is started with: completed configs beside links to the models' code."""

import re
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from qwen_engine.asr.settings import AsrSettings
from qwen_engine.settings import ChainSettings
from qwen_server import repository, staging
from qwen_server.errors import ServerError
from qwen_server.home import project_home
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
    models = tmp_path / "models"
    assert staging.link(asked, models, GRPC) == ["qwen3_asr"]
    config = repository.read_config(models / "qwen3_asr")
    assert config.instance_group[0].count == 3
    settings = AsrSettings.model_validate_json(config.parameters["settings"].string_value)
    assert (settings.max_batch, settings.checkpoint) == (5, str(checkpoint))
    assert (models / "qwen3_asr" / "1" / "model.py").is_file()


def test_an_ensemble_is_served_where_all_its_members_are(tmp_path, checkpoint):
    text = f'[qwen3_asr]\ncheckpoint = "{checkpoint}"\n[qwen_image]\ncheckpoint = "{checkpoint}"\n'
    names = staging.link(profile(tmp_path, text), tmp_path / "models", GRPC)
    assert names == ["qwen3_asr", "qwen_image", "spoken_image"]
    assert (tmp_path / "models" / "spoken_image" / "1").is_dir()
    assert (tmp_path / "models" / "spoken_image" / "config.pbtxt").is_file()


def test_staging_again_forgets_the_last_profile(tmp_path, checkpoint):
    for name in ("qwen3_asr", "qwen_image"):
        asked = profile(tmp_path, f'[{name}]\ncheckpoint = "{checkpoint}"\n')
        staging.link(asked, tmp_path / "models", GRPC)
        assert [folder.name for folder in (tmp_path / "models").iterdir()] == [name]


def test_a_font_that_is_not_there_is_named(tmp_path):
    asked = profile(tmp_path, f'[chart_image]\nfont_folder = "{tmp_path}"\n')
    with pytest.raises(ServerError, match=r"the font NotoSansCJK-Regular\.ttc is not in .*fonts-noto-cjk"):
        staging.link(asked, tmp_path / "models", GRPC)


@pytest.mark.parametrize("name", ["no/such-checkpoint", "nothing", "../nowhere"])
def test_a_checkpoint_that_is_not_there_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    asked = profile(tmp_path, f'[qwen3_asr]\ncheckpoint = "{name}"\n')
    with pytest.raises(ServerError, match=r"neither a folder nor in the Hugging Face cache; run `qwen pull"):
        staging.link(asked, tmp_path / "models", GRPC)


def test_a_template_without_thinking_is_written_beside_the_chat_model(tmp_path):
    """As Triton's OpenAI frontend renders it: it knows of no `enable_thinking`."""
    staging.link(load_profile("demo"), tmp_path / "models", GRPC)
    template = (tmp_path / "models" / "qwen3_chat" / "no_think.jinja").read_text()
    tokenizer = AutoTokenizer.from_pretrained(project_home() / "demo" / "checkpoints" / "chat")
    talk = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "?"},
    ]
    told = {"conversation": talk, "tokenize": False, "add_generation_prompt": True}
    quiet = tokenizer.apply_chat_template(**told, chat_template=template)
    assert quiet == tokenizer.apply_chat_template(**told, enable_thinking=False)
    assert quiet.endswith("<think>\n\n</think>\n\n")
    assert not tokenizer.apply_chat_template(**told).endswith("</think>\n\n")


def test_a_written_repository_is_complete(tmp_path):
    """Nothing of it lies elsewhere but checkpoints and, with them, what the profile names."""
    out = tmp_path / "out" / "repository"
    names = staging.write(load_profile("demo"), out, "triton:8001")
    assert sorted(folder.name for folder in out.iterdir()) == sorted(names)
    assert {"qwen3_asr", "chart_image", "spoken_image", "voice_chat", "storyboard", "workflow"} <= set(names)
    files = list(out.rglob("*"))
    assert not [file for file in files if file.is_symlink() or file.name == "__pycache__"]
    home = str(project_home())
    texts = {file: file.read_text() for file in files if file.is_file()}
    paths = {path for text in texts.values() for path in re.findall(r'(?<=")/[^"\\\\]+', text)}
    assert paths
    assert all(path.startswith(f"{home}/demo/checkpoints/") for path in paths)
    config = repository.read_config(out / "storyboard")
    assert ChainSettings.model_validate_json(config.parameters["settings"].string_value).grpc_address == "triton:8001"


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(ServerError, match="is not empty; name a new folder"):
        staging.write(load_profile("demo"), tmp_path, GRPC)
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match="cannot be written"):
        staging.write(load_profile("demo"), tmp_path / "file" / "repository", GRPC)
