"""The commands of examples/README.md and the notebook run; inline metadata of the scripts names this project."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.pages import HOME, blocks
from tests.proxies import DEAD_PROXIES

EXAMPLES = HOME / "examples"
NOTEBOOK = EXAMPLES / "tour.ipynb"
SAID = (HOME / "demo" / "audio" / "message.txt").read_text().strip()
METADATA = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")  # PEP 723

EXPECTED = {
    "transcribe": SAID,
    "speak": "chunk 0: 0.08 s of sound",
    "draw": "A large green square on a red background.",
    "talk": f"you:   {SAID}",
    "minutes": "minutes.docx",
    "chat": "Ben",
}
COMMANDS = [line for block in blocks(EXAMPLES / "README.md") for line in block.text.splitlines()]


def run(command: list[str], server) -> str:
    (HOME / "out").mkdir(exist_ok=True)
    environment = {**os.environ, **DEAD_PROXIES, "QWEN_URL": server.address.grpc}
    done = subprocess.run(command, env=environment, cwd=HOME, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def example_of(command: str) -> str:
    return re.search(r"examples/(\w+)\.py", command)[1]


def test_every_script_has_a_command():
    assert [example_of(command) for command in COMMANDS] == list(EXPECTED)
    assert {file.stem for file in EXAMPLES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("command", COMMANDS, ids=example_of)
def test_script(server, command):
    assert EXPECTED[example_of(command)] in run(["bash", "-c", command], server)


@pytest.mark.parametrize("name", EXPECTED)
def test_dependencies_of_a_script_are_this_project(name):
    match = METADATA.search((EXAMPLES / f"{name}.py").read_text())
    metadata = tomllib.loads(re.sub(r"(?m)^# ?", "", match["content"]))
    [requirement] = map(Requirement, metadata["dependencies"])
    [source] = metadata["tool"]["uv"]["sources"].values()
    project = tomllib.loads((EXAMPLES / source["path"] / "pyproject.toml").read_text())["project"]
    assert requirement.name == project["name"]
    assert requirement.extras <= set(project["optional-dependencies"])
    assert metadata["requires-python"].removeprefix(">=") in project["requires-python"]


def test_notebook(server):
    """Its cells as one program; the last line of a cell is shown as a notebook would show it."""
    notebook = json.loads(NOTEBOOK.read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    printed = run([sys.executable, "-c", "\n".join(cells)], server)
    assert "A small red star on a white background." in printed
    assert f"{SAID} →" in printed
    assert all(not cell.get("outputs") for cell in notebook["cells"])
