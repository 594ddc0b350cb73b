"""A baseline in a process of its own: loaded once, idle (blocked on its stdin) while it has no job.

with official_tts(checkpoint, voice) as worker:
    worker.ask({"texts": ["Good morning everyone."], "num_threads": 1})
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
STOP_TIMEOUT_S = 10


class BaselineError(Exception):
    """A baseline could not start or ended early; the message is the end of its stderr."""


class Worker:
    """Runs `command`, which says one line when it is ready, then answers each line of JSON with one of its own."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe nobody reads would block the worker
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._read()

    def ask(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to `job`."""
        assert self._process.stdin is not None
        try:
            print(json.dumps(job), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self._failure() from None
        return self._read()

    def close(self) -> None:
        """End it; does nothing twice."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._failure()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self) -> BaselineError:
        self._process.wait(STOP_TIMEOUT_S)
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        self.close()
        return BaselineError(f"the baseline ended (status {self._process.returncode}): {' / '.join(lines[-3:])}")


def official_tts(checkpoint: Path, voice: str) -> Worker:
    """qwen-tts, in the environment that its dependencies need (`make upstream`)."""
    python = Path(f"{sys.prefix}-tts") / "bin" / "python"
    if not python.exists():
        raise BaselineError(f"{python} is missing; make it with: make upstream")
    return Worker([python, HERE / "official_tts.py", checkpoint, voice])


def official_asr(checkpoint: Path) -> Worker:
    """transformers' recogniser, in this environment."""
    return Worker([sys.executable, HERE / "official_asr.py", checkpoint])


def official_image(checkpoint: Path, true_cfg_scale: float) -> Worker:
    """diffusers' pipeline, in this environment."""
    return Worker([sys.executable, HERE / "official_image.py", checkpoint, str(true_cfg_scale)])
