"""Profiles: the committed ones are right; a bad key or value stops the start and names itself."""

from pathlib import Path

import pytest

from qwen_server.errors import ServerError
from qwen_server.profiles import load_profile

HOME = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("file", sorted((HOME / "profiles").glob("*.toml")), ids=lambda file: file.stem)
def test_committed_profiles_load(file):
    assert load_profile(file.stem).models() == load_profile(str(file)).models()


def test_the_demo_serves_everything_from_the_repository():
    models = load_profile("demo").models()
    speech = {"qwen3_asr", "qwen3_asr_stream", "qwen3_aligner", "qwen3_tts"}
    assert set(models) == {*speech, "qwen_image", "qwen3_chat", "qwen3_vl", "chart_image"}
    named = [name for settings in models.values() for name in settings.checkpoints().values()]
    assert all((HOME / name).is_dir() for name in named)


def test_gpu_profiles_name_published_checkpoints():
    for name in ("gpu-24gb", "gpu-80gb"):
        models = load_profile(name).models()
        assert not models.pop("chart_image").checkpoints()
        assert models
        assert all(settings.checkpoint.startswith("Qwen/") for settings in models.values())
        assert all((settings.device, settings.dtype) == ("cuda:0", "bfloat16") for settings in models.values())


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
    with pytest.raises(ServerError, match=r"demo, gpu-24gb, gpu-80gb"):
        load_profile("nowhere")


def test_the_environment_overrides_one_value(monkeypatch):
    monkeypatch.setenv("QWEN_PROFILE__QWEN3_ASR__MAX_BATCH", "3")
    settings = load_profile("demo").models()["qwen3_asr"]
    assert settings.max_batch == 3
    assert settings.checkpoint == "demo/checkpoints/asr"
