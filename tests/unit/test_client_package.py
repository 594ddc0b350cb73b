"""The package itself: what importing it loads, and what it exports."""

import subprocess
import sys

import pytest

import qwen_client

HEAVY = ("torch", "transformers", "diffusers", "qwen_engine", "qwen_server", "triton_python_backend_utils")


@pytest.mark.parametrize("module", ["qwen_client", "qwen_client.cli"])
def test_importing_loads_neither_torch_nor_the_engine(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert loaded.split() == []


def test_exports_are_there_and_sorted() -> None:
    assert qwen_client.__all__ == sorted(qwen_client.__all__)
    assert all(hasattr(qwen_client, name) for name in qwen_client.__all__)


@pytest.mark.parametrize("name", qwen_client.__all__)
def test_exports_are_documented(name: str) -> None:
    assert name in ("AudioInput", "PictureInput", "Size") or getattr(qwen_client, name).__doc__
