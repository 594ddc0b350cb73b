"""Keys that a checkpoint's JSON files leave out have the values that the upstream classes give them."""

import json
import shutil
from pathlib import Path

import pytest
from transformers import Qwen3ASRConfig, Qwen3ASRFeatureExtractor, Qwen3Config

from qwen_engine.aligner.checkpoint import AlignerConfig
from qwen_engine.asr.config import AsrConfig
from qwen_engine.chat.config import ChatConfig
from qwen_engine.sampling import Sampling
from qwen_engine.tts.codec import CodecConfig
from qwen_engine.tts.config import TtsConfig

DEMO = Path(__file__).resolve().parents[2] / "demo" / "checkpoints"
JSON_NAMES = ("config.json", "generation_config.json", "processor_config.json")
TYPES = ("model_type", "feature_extractor_type")  # which class: always written


@pytest.fixture
def folder(tmp_path):
    """Writes a folder of JSON files, by name without the ending."""

    def write(**files):
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        return tmp_path

    return write


def without_defaults(config: dict, defaults: dict) -> dict:
    """What a file holds that is written as the difference to its class."""
    return {
        key: without_defaults(value, defaults[key]) if isinstance(value, dict) and key in defaults else value
        for key, value in config.items()
        if key not in defaults or defaults[key] != value or key in TYPES or isinstance(value, dict)
    }


def copied(name: str, folder: Path) -> Path:
    for file in JSON_NAMES:
        if (DEMO / name / file).is_file():
            shutil.copy(DEMO / name / file, folder)
    return folder


def shrink(file: Path, defaults: dict, left_out: str) -> None:
    shorter = json.dumps(without_defaults(json.loads(file.read_text()), defaults))
    assert f'"{left_out}"' in file.read_text()
    assert f'"{left_out}"' not in shorter
    file.write_text(shorter)


@pytest.mark.parametrize(("name", "config"), [("asr", AsrConfig), ("aligner", AlignerConfig)])
def test_a_recogniser_written_as_the_difference_to_its_class_loads_the_same(name, config, tmp_path):
    copied(name, tmp_path)
    shrink(tmp_path / "config.json", Qwen3ASRConfig().to_dict(), "n_window_infer")
    shrink(tmp_path / "processor_config.json", {"feature_extractor": Qwen3ASRFeatureExtractor().to_dict()}, "n_fft")
    assert config.load(tmp_path) == config.load(DEMO / name)


def test_a_chat_model_written_as_the_difference_to_its_class_loads_the_same(tmp_path):
    copied("chat", tmp_path)
    shrink(tmp_path / "config.json", Qwen3Config().to_dict(), "rms_norm_eps")
    assert ChatConfig.load(tmp_path) == ChatConfig.load(DEMO / "chat")


def test_an_empty_recogniser_has_the_values_of_its_class(folder):
    place = folder(config={"model_type": "qwen3_asr"}, processor_config={"feature_extractor": {}})
    loaded = AsrConfig.load(place)
    text = Qwen3ASRConfig().text_config
    assert loaded.eos_ids == {151643, 151645}
    assert loaded.encoder.window_frames == 800
    assert loaded.features.min_samples == 8000
    assert (loaded.decoder.num_layers, loaded.decoder.num_kv_heads, loaded.decoder.head_dim) == (28, 8, 128)
    assert loaded.decoder.rope_theta == text.rope_parameters["rope_theta"]
    assert AlignerConfig.load(place).class_ms == 80


def test_the_head_of_a_chat_model_has_128_values_whatever_its_width(folder):
    """As Qwen3Config has it; most other families divide the width among the heads."""
    loaded = ChatConfig.load(folder(config={"model_type": "qwen3", "hidden_size": 2560, "eos_token_id": 7}))
    assert loaded.decoder.head_dim == 128
    assert loaded.eos_ids == {7}
    assert loaded.sampling == Sampling(temperature=0.0, top_k=0)


def test_sampling_that_a_file_leaves_out_is_that_of_generate(folder):
    place = folder(config={"model_type": "qwen3"}, generation_config={"do_sample": True, "eos_token_id": [7, 8]})
    loaded = ChatConfig.load(place)
    assert loaded.sampling == Sampling(temperature=1.0, top_k=50, top_p=1.0)
    assert loaded.eos_ids == {7, 8}


def test_a_checkpoint_without_an_end_token_is_refused_by_name(folder):
    with pytest.raises(ValueError, match="eos_token_id"):
        ChatConfig.load(folder(config={"model_type": "qwen3"}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attention_bias", True),
        ("use_sliding_window", True),
        ("rope_scaling", {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}),
    ],
)
def test_what_the_decoder_does_not_do_is_refused_by_name(key, value, folder):
    with pytest.raises(ValueError, match=key):
        ChatConfig.load(folder(config={"model_type": "qwen3", "eos_token_id": 7, key: value}))


def test_a_voice_has_the_values_of_upstream_s_classes(folder):
    """The figures: qwen-tts 0.1.1, configuration_qwen3_tts.py."""
    loaded = TtsConfig.load(folder(config={"tts_model_type": "base"}, generation_config={}))
    assert (loaded.talker.num_layers, loaded.talker.num_kv_heads, loaded.talker.head_dim) == (20, 2, 64)
    assert (loaded.predictor.num_layers, loaded.predictor.num_kv_heads, loaded.predictor.head_dim) == (5, 8, 128)
    assert (loaded.control.pad, loaded.control.eos, loaded.text.eos) == (4196, 4198, 151673)
    assert loaded.sampling == Sampling(temperature=0.9, top_k=50, top_p=1.0, repetition_penalty=1.05)
    assert loaded.sub_sampling == Sampling(temperature=0.9, top_k=50, top_p=1.0)
    assert loaded.languages == ()


def test_a_speech_tokenizer_has_the_values_of_upstream_s_class():
    """The figures: qwen-tts 0.1.1, configuration_qwen3_tts_tokenizer_v2.py."""
    loaded = CodecConfig.from_json({})
    assert (loaded.num_groups, loaded.num_layers, loaded.head_dim, loaded.window) == (16, 8, 64, 72)
    assert (loaded.upsampling_ratios, loaded.upsample_rates) == ((2, 2), (8, 5, 4, 3))
    assert loaded.sample_rate_hz == 24000
