"""The voice store: what is there is whole, survives a restart, and belongs to one checkpoint revision and tenant."""

import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from qwen_engine.tts import voice_index
from qwen_engine.tts.request import ClonedVoice
from qwen_engine.tts.voice_index import VoiceCard
from qwen_engine.tts.voices import VoiceStore, revision
from qwen_wire.errors import InvalidRequest

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


def opened(folder: Path, checkpoint: Path, max_voices: int = 100) -> VoiceStore:
    return VoiceStore(folder / "voices", checkpoint, "cpu", max_voices=max_voices)


@pytest.fixture
def store(tmp_path, checkpoint) -> VoiceStore:
    return opened(tmp_path, checkpoint)


def keep(store: VoiceStore, name: str, voice: ClonedVoice = IMITATED, tenant: str = "default") -> VoiceCard:
    return store.add(tenant, name, voice, consent="yes", reference_s=1.0)


@pytest.mark.parametrize("voice", [IMITATED, CONTINUED], ids=["imitated", "continued"])
def test_a_voice_survives_a_restart(tmp_path, checkpoint, store, voice):
    card = store.add("default", "anna", voice, consent="Anna, by mail", reference_s=2.5)
    again = opened(tmp_path, checkpoint)
    assert again.cards("default") == {"anna": card}
    loaded = again.load("default", "anna")
    assert loaded.text == voice.text
    assert torch.equal(loaded.embedding, voice.embedding)
    assert (loaded.codes is None) == (voice.codes is None)
    assert voice.codes is None or torch.equal(loaded.codes, voice.codes)


def test_a_name_is_given_once_and_free_again_after_removal(store):
    keep(store, "anna")
    with pytest.raises(InvalidRequest, match="which is taken"):
        keep(store, "anna", CONTINUED)
    assert store.load("default", "anna").codes is None
    assert store.remove("default", "anna").consent == "yes"
    assert store.cards("default") == {}
    keep(store, "anna", CONTINUED)
    assert list(store.cards("default")) == ["anna"]
    assert store.load("default", "anna").text == CONTINUED.text


def test_what_is_not_there_cannot_be_removed(store):
    for name in ("anna", "../anna", ""):
        for tenant in ("default", "nobody"):
            with pytest.raises(InvalidRequest, match="no such stored voice"):
                store.remove(tenant, name)


def test_a_voice_that_is_not_there_any_more_is_named(store):
    keep(store, "anna")
    store.remove("default", "anna")
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.voice is 'anna', which was removed meanwhile"):
        store.load("default", "anna")


def test_tenants_share_nothing_but_names(store):
    mine, theirs = keep(store, "anna"), keep(store, "anna", CONTINUED, "other")
    assert store.cards("default") == {"anna": mine}
    assert store.cards("other") == {"anna": theirs}
    assert store.load("other", "anna").text == CONTINUED.text
    with pytest.raises(InvalidRequest, match="no such stored voice"):
        store.remove("third", "anna")
    store.remove("other", "anna")
    assert list(store.cards("default")) == ["anna"]


def test_another_checkpoint_does_not_see_it(tmp_path, store):
    keep(store, "anna")
    assert opened(tmp_path, make_checkpoint(tmp_path / "other", 1.0)).cards("default") == {}


def test_half_written_and_damaged_voices_do_not_show_and_harm_nobody(tmp_path, checkpoint, store):
    keep(store, "anna")
    folder = tmp_path / "voices" / revision(checkpoint) / "default"
    (folder / ".new-xyz").mkdir()
    (folder / "empty").mkdir()
    (folder / "damaged").mkdir()
    (folder / "damaged" / "voice.json").write_text("{")
    (folder / "file").write_text("")
    assert list(store.cards("default")) == list(opened(tmp_path, checkpoint).cards("default")) == ["anna"]


def test_only_the_server_s_user_can_read_them(tmp_path, store):
    keep(store, "anna", CONTINUED)
    modes = {
        path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "voices", *(tmp_path / "voices").rglob("*"))
    }
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_a_tenant_keeps_so_many_voices(tmp_path, checkpoint):
    store = opened(tmp_path, checkpoint, max_voices=2)
    for name in ("anna", "ben"):
        keep(store, name)
    with pytest.raises(InvalidRequest, match="2 voices are kept for this tenant, the limit; remove one first"):
        keep(store, "clara")
    keep(store, "clara", tenant="other")
    store.remove("default", "ben")
    keep(store, "clara")


def test_what_another_process_adds_and_removes_is_noticed(tmp_path, checkpoint, store):
    other = opened(tmp_path, checkpoint)
    for number in range(20):
        card = keep(other, "anna", (IMITATED, CONTINUED)[number % 2])
        assert store.cards("default") == {"anna": card}
        assert store.load("default", "anna").text == card.reference_text
        other.remove("default", "anna")
        assert store.cards("default") == {}


def test_voices_are_not_read_again_for_each_request(tmp_path, checkpoint, store, monkeypatch):
    for number in range(50):
        keep(store, f"voice-{number}")
    monkeypatch.setattr(voice_index, "SETTLED_NS", 0)  # these changes are not within one tick of its clock
    fresh, reads = opened(tmp_path, checkpoint), []
    read = voice_index._read_card
    monkeypatch.setattr(voice_index, "_read_card", lambda folder: reads.append(folder.name) or read(folder))
    for _ in range(3):
        assert len(fresh.cards("default")) == 50
    assert len(reads) == 50
    keep(fresh, "one-more")
    assert len(fresh.cards("default")) == 51
    assert set(reads[50:]) == {"one-more"}


def test_churn_disturbs_nobody(tmp_path, checkpoint, store):
    """Some add and remove, in two processes' stores, while others list, and load what is always there."""
    other = opened(tmp_path, checkpoint)
    lasting = keep(store, "lasting", CONTINUED)
    stop = threading.Event()

    def churn(one: VoiceStore, name: str) -> int:
        for _ in range(60):
            keep(one, name)
            one.remove("default", name)
        return 60

    def look(one: VoiceStore) -> int:
        count = 0
        while not stop.is_set():
            assert one.cards("default")["lasting"] == lasting
            assert torch.equal(one.load("default", "lasting").codes, CONTINUED.codes)
            count += 1
        return count

    with ThreadPoolExecutor(8) as pool:
        looking = [pool.submit(look, one) for one in (store, other) for _ in range(2)]
        churning = [pool.submit(churn, one, name) for one, name in ((store, "a"), (store, "b"), (other, "c"))]
        assert [one.result() for one in churning] == [60] * 3
        stop.set()
        assert all(one.result() for one in looking)
    assert list(store.cards("default")) == list(other.cards("default")) == ["lasting"]


def test_of_two_who_add_or_remove_the_same_voice_one_is_refused(tmp_path, checkpoint, store):
    stores = (store, opened(tmp_path, checkpoint))

    def attempt(change: Callable[[VoiceStore], object], one: VoiceStore, barrier: threading.Barrier) -> bool:
        barrier.wait()
        try:
            change(one)
        except InvalidRequest:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        for _ in range(50):
            for change in (lambda one: keep(one, "anna"), lambda one: one.remove("default", "anna")):
                barrier = threading.Barrier(2)
                done = [pool.submit(attempt, change, one, barrier) for one in stores]
                assert sorted(one.result() for one in done) == [False, True]


def test_the_hub_s_commit_is_the_revision(tmp_path):
    folder = make_checkpoint(tmp_path / "snapshots" / "0123456789abcdef0123")
    assert revision(folder) == "0123456789abcdef"
