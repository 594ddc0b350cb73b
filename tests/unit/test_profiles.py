"""Profiles: the committed ones are right; a bad key or value stops the start and names itself."""

from pathlib import Path

import pytest

from qwen_engine.models import MODELS
from qwen_server import checkpoints
from qwen_server.errors import ServerError
from qwen_server.profiles import load_profile
from qwen_server.staging import link

HOME = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("file", sorted((HOME / "profiles").glob("*.toml")), ids=lambda file: file.stem)
def test_committed_profiles_load(file):
    assert load_profile(file.stem).models == load_profile(str(file)).models


def test_the_demo_serves_everything_from_the_repository():
    models = load_profile("demo").models
    assert models.keys() == MODELS.keys()
    named = [name for settings in models.values() for name in settings.checkpoints().values()]
    assert all((HOME / name).is_dir() for name in named)


@pytest.mark.parametrize("name", ["gpu-24gb", "gpu-80gb", "talk-24gb", "chains-80gb"])
def test_gpu_profiles_name_published_checkpoints(name):
    models = load_profile(name).models
    assert not models["chart_image"].checkpoints()
    others = [settings for model, settings in models.items() if model != "chart_image"]
    assert others
    assert all(settings.checkpoint.startswith("Qwen/") for settings in others)
    assert all((settings.device, settings.dtype) == ("cuda:0", "bfloat16") for settings in others)


@pytest.mark.parametrize(
    ("name", "chains"),
    [
        ("talk-24gb", {"voice_chat", "workflow"}),
        (
            "chains-80gb",
            {"voice_chat", "workflow", "meeting_minutes", "storyboard", "courseware", "product_ad", "describe_aloud"},
        ),
    ],
)
def test_gpu_profiles_serve_chains(name, chains, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "resolve_all", lambda settings: {})  # they are not on this machine
    assert chains <= set(link(load_profile(name), tmp_path / "models", "127.0.0.1:8001"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[qwen3_asr]\ncheckpoint = "x"\nbatch = 3', r"qwen3_asr\.batch = '3'"),
        ('[qwen3_asr]\ncheckpoint = "x"\nmax_batch = 0', r"qwen3_asr\.max_batch = '0'.*greater"),
        ('[qwen3_asr]\ncheckpoint = "x"\ndtype = "float16"', r"qwen3_asr\.dtype = 'float16'.*bfloat16"),
        ("[qwen3_asr]\nmax_batch = 3", r"qwen3_asr\.checkpoint.*required"),
        ('[qwen4_asr]\ncheckpoint = "x"', r"qwen4_asr"),
        ('[qwen_image]\ncheckpoint = "x"\nedit_checkpoint = "y"\noffload = "model"', r"offload is 'model', .* 'group'"),
        ("[qwen3_asr", "not TOML"),
        ("", "serves no model"),
    ],
)
def test_a_bad_profile_names_what_is_wrong(tmp_path, text, message):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ServerError, match=message):
        load_profile(str(file))


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(ServerError, match=r"chains-80gb, demo, gpu-24gb, gpu-80gb, talk-24gb"):
        load_profile("nowhere")


def test_the_environment_overrides_one_value(monkeypatch):
    monkeypatch.setenv("QWEN_PROFILE__QWEN3_ASR__MAX_BATCH", "3")
    settings = load_profile("demo").models["qwen3_asr"]
    assert settings.max_batch == 3
    assert settings.checkpoint == "demo/checkpoints/asr"
