"""A speaker whose Chinese is a dialect: it takes the place of Chinese, asked for or not, and of no other language."""

import json
from pathlib import Path

import pytest
import torch

from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.settings import TtsSettings
from qwen_wire.errors import InvalidRequest
from tests.parity.official import CHECKPOINTS, Case, Spoken, ask_official
from tests.parity.schedules import TOLERANCE, heard
from tests.recorder import run

SPEAKER, DIALECT = "mei", "sichuan_dialect"
DIALECT_ID = 261  # a free control id: none of the demo's voices learnt a dialect
CASES = {
    language: Case("tts", "你好，大家。", language, "ahead", voice=SPEAKER)
    for language in ("auto", "chinese", "english")
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """The demo's, with a dialect."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tts_dialect"
    folder.mkdir()
    for file in (CHECKPOINTS / "tts").iterdir():
        if file.name != "config.json":
            (folder / file.name).symlink_to(file)
    config = json.loads((CHECKPOINTS / "tts" / "config.json").read_text())
    talker = config["talker_config"]
    assert DIALECT_ID not in {*talker["codec_language_id"].values(), *talker["spk_id"].values()}
    talker["codec_language_id"][DIALECT] = DIALECT_ID
    talker["spk_is_dialect"][SPEAKER] = DIALECT
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def spoken(checkpoint, tmp_path_factory) -> dict[Case, Spoken]:
    return ask_official(checkpoint, list(CASES.values()), tmp_path_factory.mktemp("official"))


@pytest.fixture(scope="module")
def engine(checkpoint) -> TtsEngine:
    torch.set_num_threads(1)
    return TtsEngine(TtsSettings(checkpoint=str(checkpoint), temperature=0.0, max_positions=512))


def test_the_switch_is_upstreams(engine, spoken):
    for sink, case in zip(run(engine, *(case.request() for case in CASES.values())), CASES.values(), strict=True):
        ours, theirs = torch.from_numpy(heard(sink)), torch.from_numpy(spoken[case].audio)
        torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


def test_the_dialect_stands_for_chinese_and_for_no_language(spoken):
    """Else the comparison above would show nothing."""
    codes = {language: spoken[case].codes.tolist() for language, case in CASES.items()}
    assert codes["auto"] == codes["chinese"] != codes["english"]


def test_a_dialect_is_no_language_to_ask_for(engine):
    config = engine.checkpoints["custom_voice"].config
    assert config.languages == ("chinese", "english")
    for written in (DIALECT, "Sichuanese"):
        with pytest.raises(InvalidRequest, match=rf"'{written}'; allowed: auto, Chinese \(zh\), English \(en\)$"):
            config.language_key(written)
