"""The official package's answers, computed once in its own environment."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HOME = Path(__file__).resolve().parents[2]
CHECKPOINTS = HOME / "demo" / "checkpoints"


@dataclass(frozen=True)
class Spoken:
    """codes (frames, groups); audio (samples,), one decode of all of them."""

    codes: np.ndarray
    audio: np.ndarray


def official_tts(checkpoint: str, jobs: Sequence[dict[str, Any]], folder: Path) -> list[Spoken]:
    """What qwen-tts answers to each of `jobs` (see upstream_tts.py), greedily."""
    jobs_file, out_file = folder / "jobs.json", folder / "out.npz"
    jobs_file.write_text(json.dumps(jobs))
    python = Path(f"{sys.prefix}-tts") / "bin" / "python"
    script = Path(__file__).with_name("upstream_tts.py")
    command = [python, script, CHECKPOINTS / checkpoint, jobs_file, out_file]
    subprocess.run(command, check=True, timeout=600, capture_output=True)
    with np.load(out_file) as arrays:
        return [Spoken(arrays[f"codes_{index}"], arrays[f"audio_{index}"]) for index in range(len(jobs))]


@dataclass(frozen=True)
class CustomVoiceCase:
    text: str
    voice: str
    language: str
    text_feed: str

    def job(self) -> dict[str, Any]:
        arguments = {
            "text": self.text,
            "speaker": self.voice,
            "language": self.language,
            "non_streaming_mode": self.text_feed == "ahead",
        }
        return {"method": "generate_custom_voice", "arguments": arguments}


TEXTS = (
    "Hello everyone.",
    "Send the report to Anna on Friday.",
    "please draw a small red circle on a blue background",
    "The number is one two three.",
)
CUSTOM_VOICE_CASES = tuple(
    CustomVoiceCase(text, voice, language, feed)
    for text, voice, language in zip(TEXTS, ("ava", "ben", "clara", "dan"), ("auto", "english") * 2, strict=True)
    for feed in ("ahead", "beside")
)
