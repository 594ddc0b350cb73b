"""`qwen` as it is installed: its version, and what shells complete."""

import os
import subprocess
import sys
from pathlib import Path

import qwen_client

BIN = Path(sys.prefix) / "bin"


def bash(command: str, home: Path, **environment: str) -> str:
    """What a command prints; bash stays its parent, from which typer learns the shell."""
    environment = {**os.environ, "HOME": str(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **environment}
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit $?"], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_version(tmp_path: Path) -> None:
    assert bash("qwen --version", tmp_path) == f"qwen {qwen_client.__version__}\n"


def test_completion_knows_the_commands_of_client_and_server(tmp_path: Path) -> None:
    def completed(words: str) -> list[str]:
        return bash("qwen", tmp_path, COMP_WORDS=words, COMP_CWORD="1", _QWEN_COMPLETE="complete_bash").split()

    assert completed("qwen trans") == ["transcribe"]
    assert completed("qwen doc") == ["doctor"]


def test_completion_is_shown_and_installed(tmp_path: Path) -> None:
    shown = bash("qwen --show-completion", tmp_path)
    assert "complete -o default -F _qwen_completion qwen" in shown
    (tmp_path / ".bashrc").write_text("# mine\n")
    assert "bash completion installed" in bash("qwen --install-completion", tmp_path)
    assert (tmp_path / ".bash_completions" / "qwen.sh").read_text().strip() == shown.strip()
    assert (tmp_path / ".bashrc").read_text().startswith("# mine\n")
