"""The voice store: what is there is whole, survives a restart, and belongs to one checkpoint revision."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from qwen_engine.errors import InvalidRequest
from qwen_engine.tts.cloning import ClonedVoice
from qwen_engine.tts.voices import VoiceStore, revision

IMITATED = ClonedVoice(torch.randn(8, generator=torch.Generator().manual_seed(1)))
CONTINUED = ClonedVoice(IMITATED.embedding * 2, "hello there", torch.arange(24).view(3, 8))


def make_checkpoint(folder: Path, value: float = 0.0) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save_file({"weight": torch.full((4,), value)}, folder / "model.safetensors")
    return folder


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return make_checkpoint(tmp_path / "checkpoint")


@pytest.fixture
def store(tmp_path, checkpoint) -> VoiceStore:
    return VoiceStore(tmp_path / "voices", checkpoint, "cpu")


@pytest.mark.parametrize("voice", [IMITATED, CONTINUED], ids=["imitated", "continued"])
def test_a_voice_survives_a_restart(tmp_path, checkpoint, store, voice):
    card = store.add("anna", voice, consent="Anna, by mail", reference_s=2.5)
    again = VoiceStore(tmp_path / "voices", checkpoint, "cpu")
    assert list(again.cards()) == [card]
    loaded = again.load("anna")
    assert loaded.text == voice.text
    assert torch.equal(loaded.embedding, voice.embedding)
    assert (loaded.codes is None) == (voice.codes is None)
    assert voice.codes is None or torch.equal(loaded.codes, voice.codes)


def test_a_name_is_given_once_and_free_again_after_removal(store):
    store.add("anna", IMITATED, consent="yes", reference_s=1.0)
    with pytest.raises(InvalidRequest, match="is there already"):
        store.add("anna", CONTINUED, consent="yes", reference_s=1.0)
    assert store.load("anna").codes is None
    store.remove("anna")
    assert "anna" not in store
    store.add("anna", CONTINUED, consent="yes", reference_s=1.0)
    assert [card.name for card in store.cards()] == ["anna"]


def test_what_is_not_there_cannot_be_removed(store):
    for name in ("anna", "../anna", ""):
        with pytest.raises(InvalidRequest, match="no such stored voice"):
            store.remove(name)


def test_another_checkpoint_does_not_see_it(tmp_path, store):
    store.add("anna", IMITATED, consent="yes", reference_s=1.0)
    other = VoiceStore(tmp_path / "voices", make_checkpoint(tmp_path / "other", 1.0), "cpu")
    assert list(other.cards()) == []


def test_half_written_voices_do_not_show(tmp_path, checkpoint, store):
    store.add("anna", IMITATED, consent="yes", reference_s=1.0)
    (tmp_path / "voices" / revision(checkpoint) / ".new-xyz").mkdir()
    assert [card.name for card in store.cards()] == ["anna"]


def test_the_hub_s_commit_is_the_revision(tmp_path):
    folder = make_checkpoint(tmp_path / "snapshots" / "0123456789abcdef0123")
    assert revision(folder) == "0123456789abcdef"
