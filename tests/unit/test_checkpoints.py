"""The demo checkpoints are what the manifest says, small enough for git, and the README tells the same figures."""

import hashlib
import json
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
CHECKPOINTS = HOME / "demo" / "checkpoints"
MANIFEST = json.loads((CHECKPOINTS / "manifest.json").read_text())
NAMES = ("aligner", "asr", "chat", "image", "image_edit", "tts", "tts_base", "tts_design", "vl")
MB = 1_000_000


def files(name: str) -> dict[str, Path]:
    folder = CHECKPOINTS / name
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def size_mb(name: str) -> float:
    """Without what it links to: git and disk hold that once."""
    return sum(path.stat().st_size for path in files(name).values() if not path.is_symlink()) / MB


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_knows_every_file(name):
    digests = {file: hashlib.sha256(path.read_bytes()).hexdigest() for file, path in files(name).items()}
    assert digests == MANIFEST[name]["sha256"]


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_says_what_it_is_how_it_was_made_and_what_it_can_do(name):
    entry = MANIFEST[name]
    assert "closed vocabulary" in entry["what"]
    assert entry["quality"]
    told = json.dumps(entry)
    for key in ("seed", "command", "corpus", "training_s"):
        assert f'"{key}"' in told, key


@pytest.mark.parametrize("name", NAMES)
def test_no_configuration_tells_where_it_was_made(name):
    configurations = [path for path in files(name).values() if path.suffix == ".json"]
    assert configurations
    assert not [str(path) for path in configurations if '"_name_or_path": "/' in path.read_text()]


def test_every_checkpoint_is_known():
    assert {path.name for path in CHECKPOINTS.iterdir() if path.is_dir()} == set(NAMES) == set(MANIFEST)


def test_they_are_small():
    assert all(size_mb(name) <= 8 for name in NAMES)
    assert sum(size_mb(name) for name in NAMES) <= 45


def test_the_page_on_training_tells_how_much_is_seen_right():
    seen = MANIFEST["vl"]["quality"]
    sets = ("held_out_pictures", "blurred_and_noisy", "painted_by_the_image_checkpoint", "not_square")
    shares = [f"{seen[name]['all']:.0%}".replace("%", " %") for name in sets]
    page = (HOME / "demo" / "training" / "README.md").read_text()
    assert [share for share in shares if share not in page] == []
    assert seen["held_out_pictures"]["all"] >= 0.9


def test_the_readme_tells_the_manifest_s_figures():
    asr, tts, image = (MANIFEST[name]["quality"] for name in ("asr", "tts", "image"))
    drawn = image["held_out_requests"]
    shares = [asr["sentences"][language]["exact"] for language in ("English", "Chinese")]
    shares += [asr["resynthesised"]["English"]["exact"], tts["words_heard_right_100"]]
    shares += [drawn[name] for name in ("right", "shape", "colour", "background")]
    shares += [MANIFEST["chat"]["quality"]["exact"]]
    readme = (HOME / "README.md").read_text()
    assert [f"{share:.1%}" for share in shares if f"{share:.1%}" not in readme] == []
