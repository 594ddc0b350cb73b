"""Programs with a secret among their arguments: they see it, the process list does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qwen_server import hidden_arguments

SECRET = "a-secret-of-this-test"
ECHO = "import sys; print('|'.join(sys.argv[1:]), flush=True); sys.stdin.read()"
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


def start(command: list[str]) -> "subprocess.Popen[bytes]":
    return hidden_arguments.popen(command, SECRET, env=os.environ, **PIPES)


def shown(process: "subprocess.Popen[bytes]") -> str:
    return Path(f"/proc/{process.pid}/cmdline").read_text()


def test_the_program_sees_what_the_process_list_does_not():
    with start([sys.executable, "-c", ECHO, f"--one=a:b={SECRET}", "plain", SECRET]) as process:
        told = process.stdout.readline().decode().strip()
        listed = shown(process)
        process.stdin.close()
    assert told == f"--one=a:b={SECRET}|plain|{SECRET}"
    assert SECRET not in listed
    assert listed.split("\0")[-4:-1] == ["--one=a:b=(hidden)", "plain", "(hidden)"]
    assert process.returncode == 0


def test_it_is_hidden_from_the_first_moment():
    """Read while the program is stopped, before its first instruction: it never was to be seen."""
    seen = []
    turn = hidden_arguments._turn

    def watched(pid: int, arguments: list[str]) -> bool:
        seen.append(Path(f"/proc/{pid}/cmdline").read_text())
        return turn(pid, arguments)

    hidden_arguments._turn = watched
    try:
        with start(["/bin/echo", SECRET]) as process:
            assert process.communicate()[0].decode().strip() == SECRET
    finally:
        hidden_arguments._turn = turn
    assert len(seen) == 1
    assert SECRET not in seen[0]


def test_a_script_gets_its_arguments_with_a_warning(tmp_path, caplog):
    """The kernel puts an interpreter before it: the pointers are not where they should be."""
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\necho "$@"\n')
    script.chmod(0o755)
    with start([str(script), f"key={SECRET}"]) as process:
        assert process.communicate()[0].decode().strip() == f"key={SECRET}"
    assert "other users of this machine see a secret" in caplog.text
    assert SECRET not in caplog.text


def test_a_program_that_is_not_there_is_told_as_usual():
    with pytest.raises(FileNotFoundError):
        start(["/no/such/program", SECRET])
