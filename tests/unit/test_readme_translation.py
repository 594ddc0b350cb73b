"""README.zh-CN.md keeps step with README.md: the same commands, sections, rows, links and figures, in order."""

import re
from dataclasses import replace

import pytest

from tests.pages import HOME, blocks

ENGLISH, CHINESE = HOME / "README.md", HOME / "README.zh-CN.md"
LANGUAGES = {"README.md", "README.zh-CN.md"}  # each links to the other
KINDS = {
    "headings": r"^#+ ",
    "rows of tables": r"^\|",
    "links": r"\]\(([^)]+)\)",
    "commands in text": r"`(make [\w-]+)`",
    "figures": r"(?<![\w.])\d+(?:\.\d+)?%",
}


def test_the_commands_are_the_same() -> None:
    english, chinese = ([replace(block, page="") for block in blocks(page)] for page in (ENGLISH, CHINESE))
    assert english == chinese
    assert len(english) >= 5


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_found(kind: str) -> None:
    english, chinese = (
        [one for one in re.findall(KINDS[kind], page.read_text(), re.MULTILINE) if one not in LANGUAGES]
        for page in (ENGLISH, CHINESE)
    )
    assert english == chinese
    assert english
