"""The package itself: what importing it loads, and what it exports."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import qwen_client

HEAVY = (
    "av",
    "soundfile",
    "soxr",
    "torch",
    "transformers",
    "diffusers",
    "qwen_engine",
    "qwen_server",
    "triton_python_backend_utils",
)
HOME = Path(__file__).resolve().parents[2]
PYPROJECT = HOME / "pyproject.toml"
PACKAGES = [PYPROJECT, *sorted((HOME / "packages").glob("*/pyproject.toml"))]


@pytest.mark.parametrize("module", ["qwen_client", "qwen_client.cli"])
def test_importing_loads_neither_torch_nor_the_engine(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert loaded.split() == []


def test_the_version_is_the_package_s() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    assert qwen_client.__version__ == project["version"]
    with pytest.raises(AttributeError, match="no attribute 'version'"):
        _ = qwen_client.version


def test_all_packages_have_one_version() -> None:
    projects = [tomllib.loads(file.read_text())["project"] for file in PACKAGES]
    assert [project["version"] for project in projects] == [qwen_client.__version__] * 4
    server = projects[0]
    extras = server["optional-dependencies"]
    pinned = [*extras["demo"], *(one for project in projects for one in project.get("dependencies", ()))]
    assert [one.split("==")[1] for one in pinned if one.startswith("qwen-triton-")] == [qwen_client.__version__] * 4


def test_packages_link_to_what_is_there() -> None:
    links = [path for folder in ("packages", "server") for path in (HOME / folder).rglob("*") if path.is_symlink()]
    assert len(links) > 8
    assert all(path.resolve().is_relative_to(HOME) and path.exists() for path in links)


def test_what_needs_the_audio_extra_says_so() -> None:
    program = (
        "import sys; sys.modules |= dict.fromkeys(('av', 'soundfile', 'soxr'))\n"
        "import numpy as np\n"
        "from qwen_client.audio import encode_audio\n"
        "from qwen_client.effects import change\n"
        "from qwen_wire.errors import InvalidRequest\n"
        "silence = np.zeros(800, np.float32)\n"
        "assert len(encode_audio(silence, 8000, '.wav')) == 1644\n"
        "for work in (lambda: encode_audio(silence, 8000, '.ogg'), lambda: change(silence, 8000, speed=2, pitch=1)):\n"
        "    try: work()\n"
        "    except InvalidRequest as error: print(error.message)\n"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    lines = told.splitlines()
    assert lines[0].startswith("soundfile, which writes .ogg, is not installed; install it with: pip install")
    assert lines[1].startswith("av, which changes speed and pitch, is not installed")


def test_the_changelog_begins_with_this_version() -> None:
    lines = PYPROJECT.with_name("CHANGELOG.md").read_text().splitlines()
    newest = next(line for line in lines if line.startswith("## "))
    assert newest.split()[1] == qwen_client.__version__


def test_exports_are_there_and_sorted() -> None:
    assert qwen_client.__all__ == sorted(qwen_client.__all__)
    assert all(hasattr(qwen_client, name) for name in qwen_client.__all__)


@pytest.mark.parametrize("name", qwen_client.__all__)
def test_exports_are_documented(name: str) -> None:
    assert name in ("AudioInput", "PictureInput", "Size") or getattr(qwen_client, name).__doc__
