"""Every path that a page of the documentation names in backticks is there."""

import re
from functools import cache
from pathlib import PurePosixPath

import pytest

from tests.pages import HOME, blocks

PAGES = [
    *sorted((HOME / "docs").glob("*.md")),
    *sorted(HOME.glob("*.md")),
    *(HOME / name / "README.md" for name in ("perf", "examples")),
]
IN_BACKTICKS = re.compile(r"`([^`\s]+)`")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
SUFFIXES = {".py", ".toml", ".md", ".json", ".pbtxt", ".yaml", ".txt", ".sh", ".ipynb"}
SKIPPED = {"build", "out"}  # made by running the project
# Not of this repository: what commands and people make.
ELSEWHERE = {"minutes.md"}
CODE = {".py", ".json", ".pbtxt", ".toml"}
PLACEHOLDER = re.compile(r"\b(NAME|MODEL)\b")


@cache
def known() -> frozenset[str]:
    """All files and folders, as paths that begin with a slash."""
    found = set()
    for path in HOME.iterdir():
        if path.name.startswith(".venv") or path.name in {".git", *SKIPPED}:
            continue
        found |= {path, *path.rglob("*")}
    return frozenset(f"/{path.relative_to(HOME).as_posix()}" for path in found)


def is_path(text: str) -> bool:
    if not PATH.fullmatch(text) or PLACEHOLDER.search(text) or text in ELSEWHERE or text.split("/")[0] in SKIPPED:
        return False
    is_folder = text.endswith("/") and text.count("/") > 1
    return is_folder or PurePosixPath(text).suffix in SUFFIXES


def exists(text: str) -> bool:
    """From the project's folder, or from any folder in it: pages about one name its files shortly."""
    return any(one.endswith(f"/{text.strip('/')}") for one in known())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    paths = {text for text in IN_BACKTICKS.findall(prose) if is_path(text)}
    assert sorted(text for text in paths if not exists(text)) == []


@pytest.mark.parametrize("name", ["adding-a-model.md", "adding-a-chain.md"])
def test_names_in_walks_through_the_code_exist(name):
    """Classes, functions and fields; others may be English words."""
    tracked = [HOME / folder for folder in ("wire", "engine", "client", "server", "model_repository")]
    code = "\n".join(file.read_text() for folder in tracked for file in folder.rglob("*.*") if file.suffix in CODE)
    words = {
        word
        for text in IN_BACKTICKS.findall((HOME / "docs" / name).read_text())
        if not is_path(text)
        for word in re.findall(r"[A-Za-z_]{4,}", text)
        if "_" in word or word != word.lower()
    }
    assert len(words) > 8
    assert sorted(word for word in words if word not in code and not PLACEHOLDER.search(word)) == []


def test_the_graph_that_is_walked_through_is_the_one_that_is_served():
    [shown] = [block.text for block in blocks(HOME / "docs" / "adding-a-chain.md") if block.language == "json"]
    assert shown == (HOME / "model_repository/describe_aloud/1/graph.json").read_text()
