"""What the official qwen-tts package answers, asked in its own environment."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from qwen_engine.tts.cloning import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, TRAILING_SILENCE_S
from qwen_engine.tts.request import Reference, Speak, speak_request
from qwen_engine.tts.settings import TtsSettings
from qwen_wire.options import TtsOptions

HOME = Path(__file__).resolve().parents[2]
CHECKPOINTS = HOME / "demo" / "checkpoints"
RECORDING = HOME / "demo" / "audio" / "message.wav"
RECORDED_TEXT = RECORDING.with_suffix(".txt").read_text().strip()
TEXTS = (
    "Hello everyone.",
    "Send the report to Anna on Friday.",
    "please draw a small red circle on a blue background",
    "The number is one two three.",
)
LONGEST_S = 12.0  # the official package gets the same number of frames


@dataclass(frozen=True)
class Spoken:
    """codes (frames, groups), of the reference too; audio (samples,), one decode of all of them."""

    codes: np.ndarray
    audio: np.ndarray


@dataclass(frozen=True)
class Case:
    """One utterance of the checkpoint `checkpoint`."""

    checkpoint: str
    text: str
    language: str
    text_feed: str
    voice: str | None = None
    instruction: str = ""
    continues: bool = False

    def request(self, **options: Any) -> Speak:
        """What our engine is asked."""
        cloned = self.checkpoint == "tts_base"
        asked = TtsOptions(
            voice=self.voice,
            consent="recorded by its speaker" if cloned else "",
            language=self.language,
            text_feed=self.text_feed,
            instruction=self.instruction,
            max_audio_s=LONGEST_S,
            **options,
        )
        reference = None
        if cloned:
            reference = Reference(recording(), RECORDED_TEXT if self.continues else "")
        return speak_request(self.text, asked, TtsSettings(checkpoint="unused", temperature=0.0), reference)

    def job(self, folder: Path) -> dict[str, Any]:
        """What the official package is asked."""
        arguments: dict[str, Any] = {"text": self.text, "language": self.language}
        arguments["non_streaming_mode"] = self.text_feed == "ahead"
        match self.checkpoint:
            case "tts":
                return {"method": "generate_custom_voice", "arguments": {**arguments, "speaker": self.voice}}
            case "tts_design":
                return {"method": "generate_voice_design", "arguments": {**arguments, "instruct": self.instruction}}
        file = folder / f"{self.continues}.wav"
        silence = np.zeros(int(self.continues * TRAILING_SILENCE_S * SAMPLE_RATE_HZ), np.float32)
        soundfile.write(file, np.concatenate((recording(), silence)), SAMPLE_RATE_HZ, subtype="FLOAT")
        arguments |= {"ref_audio": str(file), "x_vector_only_mode": not self.continues}
        return {"method": "generate_voice_clone", "arguments": {**arguments, "ref_text": RECORDED_TEXT}}


def recording() -> np.ndarray:
    samples, rate_hz = soundfile.read(RECORDING, dtype="float32")
    return soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ)


FEEDS = ("ahead", "beside")
CUSTOM_VOICE_CASES = tuple(
    Case("tts", text, language, feed, voice=voice)
    for text, voice, language in zip(TEXTS, ("ava", "ben", "clara", "dan"), ("auto", "english") * 2, strict=True)
    for feed in FEEDS
)
CLONE_CASES = tuple(
    Case("tts_base", text, "english", feed, continues=continues)
    for text in TEXTS[:2]
    for feed in FEEDS
    for continues in (False, True)
)
DESIGN_CASES = tuple(
    Case("tts_design", text, "english", feed, instruction=instruction)
    for text, instruction in zip(
        TEXTS[:2], ("A high voice, speaking fast.", "A deep voice, speaking slowly."), strict=True
    )
    for feed in FEEDS
)
CASES = (*CUSTOM_VOICE_CASES, *CLONE_CASES, *DESIGN_CASES)


def ask_official(checkpoint: Path, cases: Sequence[Case], folder: Path) -> dict[Case, Spoken]:
    """What qwen-tts answers to `cases` of one checkpoint, greedily (see upstream_tts.py)."""
    jobs_file, out_file = folder / f"{checkpoint.name}.json", folder / f"{checkpoint.name}.npz"
    jobs_file.write_text(json.dumps([case.job(folder) for case in cases]))
    python = Path(f"{sys.prefix}-tts") / "bin" / "python"
    script = Path(__file__).with_name("upstream_tts.py")
    command = [python, script, checkpoint, jobs_file, out_file]
    subprocess.run(command, check=True, timeout=600, capture_output=True)
    with np.load(out_file) as arrays:
        return {
            case: Spoken(arrays[f"codes_{index}"], whole_frames(arrays[f"audio_{index}"]))
            for index, case in enumerate(cases)
        }


def whole_frames(audio: np.ndarray) -> np.ndarray:
    """Upstream cuts a reference off by its share of the length: rounding may leave one sample of it."""
    return audio[len(audio) % SAMPLES_PER_FRAME :]
