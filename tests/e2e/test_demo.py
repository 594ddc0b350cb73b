"""`qwen demo`, as `make demo` runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import PIL.Image
import soundfile

from tests.proxies import DEAD_PROXIES

QWEN = Path(sys.prefix) / "bin" / "qwen"


def test_the_demo_hears_draws_and_speaks(tmp_path, audio):
    """Server, chains and client reach each other by none of the environment's proxies."""
    command = [QWEN, "demo", "--json", "--out", tmp_path]
    environment = {**os.environ, **DEAD_PROXIES}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    steps = {step["step"]: step for step in json.loads(done.stdout)}
    assert (audio / "request.txt").read_text().strip() in steps["speech → text → picture"]["made"]
    with PIL.Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (64, 64)
    assert soundfile.info(tmp_path / "reply.wav").duration > 1
    assert steps["text → speech → text, by OpenAI's client"]["made"] == "“Good morning everyone.”"
    assert all(step["latency_s"] > 0 and "demo/checkpoints" in step["checkpoint"] for step in steps.values())
