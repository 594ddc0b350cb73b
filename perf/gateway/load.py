"""Cached answers under load: wrk in a process of its own."""

import json
import os
import subprocess
import tempfile
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from qwen_server.errors import ServerError

SCRIPT = Path(__file__).with_name("cached.lua")
CONNECTIONS = 32


@dataclass(frozen=True)
class Load:
    """What wrk told: `failed` are answers other than 2xx, and connections that broke or took too long."""

    requests: int
    duration_s: float
    failed: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        return self.requests / self.duration_s

    @property
    def success(self) -> float:
        return 1 - self.failed / max(1, self.requests)


def cached_answers(url: str, sound: bytes, duration_s: int) -> Load:
    """Ask for the same transcription for so long. Raises `ServerError` where wrk is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body.json"
        body.write_text(json.dumps({"audio_data": b64encode(sound).decode()}))
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{duration_s}s", "-s", str(SCRIPT)]
        try:
            done = subprocess.run(
                [*command, f"{url}/api/v1/asr/transcribe"],
                env={**os.environ, "QWEN_BODY": str(body)},
                capture_output=True,
                text=True,
                timeout=duration_s + 60,
                check=False,
            )
        except FileNotFoundError as error:
            raise ServerError("wrk is not installed; apt-get install wrk") from error
    if done.returncode != 0:
        raise ServerError(f"wrk failed: {done.stderr.strip()}")
    return Load(**json.loads(done.stdout.strip().splitlines()[-1]))
