"""Every command and every piece of Python in docs/*.md and CONTRIBUTING.md runs as pasted, block by block."""

import os
import subprocess
import sys

import pytest

from tests.pages import HOME, NOT_RUN, Block, at_server, blocks
from tests.proxies import DEAD_PROXIES

PAGES = [*sorted((HOME / "docs").glob("*.md")), HOME / "CONTRIBUTING.md"]
BLOCKS = [block for page in PAGES for block in blocks(page)]
SHELL = [block for block in BLOCKS if block.language in ("bash", "sh") and not block.title]
PYTHON = [block for block in BLOCKS if block.language == "python" and not block.title]
# What the text around a piece of Python has said already.
BEFORE = """\
import os
from qwen_client import Client, ReplySound

client = Client(os.environ["QWEN_URL"])


def play(samples, sample_rate):
    assert len(samples)


"""


def run(command: list[str], server, **more: str) -> str:
    (HOME / "out").mkdir(exist_ok=True)
    environment = {**os.environ, **DEAD_PROXIES, "QWEN_URL": server.address.grpc, **more}
    done = subprocess.run(
        command, cwd=HOME, env=environment, capture_output=True, text=True, errors="replace", timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"error"' not in done.stdout
    return done.stdout + done.stderr


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands(server, gateway, block: Block):
    assert (
        run(["bash", "-e", "-o", "pipefail", "-c", at_server(block.text, server, gateway)], server)
        or "> out/" in block.text
    )


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python(server, gateway, block: Block):
    """OpenAI's client goes by the environment's proxies, so it is told that there are none for this machine."""
    more = {"no_proxy": "127.0.0.1"} if "OpenAI(" in block.text else {}
    run([sys.executable, "-c", BEFORE + at_server(block.text, server, gateway)], server, **more)


def test_what_is_not_run_has_a_reason():
    titles = {block.title for block in BLOCKS if block.title}
    assert titles <= set(NOT_RUN)
    assert len(SHELL) > 10
    assert len(PYTHON) > 2


def test_no_command_needs_an_environment_that_is_active():
    """Readers paste: `qwen` alone is found in an activated environment only."""
    commands = [line for block in BLOCKS if block.language in ("bash", "sh") for line in block.text.splitlines()]
    assert [line for line in commands if line.startswith(("qwen ", "python ", "pytest ", "pip "))] == []
