"""Speech recognition: `client.asr`."""

import html
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qwen_client.audio import AudioInput, audio_bytes
from qwen_client.errors import InvalidRequest
from qwen_client.jobs import Timings, UnaryJob, read_ending
from qwen_client.wire import Answer, options_json


@dataclass(frozen=True)
class Segment:
    """A stretch of the recording and what was said in it."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Transcription:
    """What was said; `language` is None and `segments` empty where nothing was."""

    text: str
    language: str | None
    duration_s: float
    segments: tuple[Segment, ...]
    finish_reason: str
    timings: Timings
    request_id: str

    def as_dict(self) -> dict[str, Any]:
        """All fields, as JSON writes them."""
        return asdict(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the text (`.txt`) or all fields (`.json`)."""
        match Path(path).suffix.lower():
            case ".txt":
                content = self.text
            case ".json":
                content = json.dumps(self.as_dict(), ensure_ascii=False, indent=2)
            case _:
                raise InvalidRequest(f"{path} has no known transcript suffix; known: .txt, .json")
        Path(path).write_text(content + "\n", encoding="utf-8")

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.text)}</p><small>{self.language or 'no speech'}, {self.duration_s:.1f} s</small>"


def transcribe(
    audio: AudioInput, *, language: str | None = None, context: str = "", max_new_tokens: int | None = None
) -> UnaryJob[Transcription]:
    """Write down what is said in `audio`: a path, bytes, a binary file or (samples, rate_hz).

        client.asr.transcribe("meeting.wav").text
        client.asr.transcribe((samples, 16_000), language="English", context="Qwen, Triton")

    `language` None: detected. `context`: words to expect, such as names. `max_new_tokens` None: from the duration.
    Returns a `Transcription`.
    """
    options = options_json(language=language, context=context, max_new_tokens=max_new_tokens)
    return UnaryJob("qwen3_asr", {"AUDIO": audio_bytes(audio), "OPTIONS": options}, _read)


def _read(answer: Answer) -> Transcription:
    result = answer.json("RESULT")
    ending = read_ending(result, answer.request_id)
    return Transcription(
        text=answer.text("TEXT"),
        language=result["language"],
        duration_s=result["duration_s"],
        segments=tuple(Segment(part["start_s"], part["end_s"], part["text"]) for part in result["segments"]),
        finish_reason=ending.finish_reason,
        timings=ending.timings,
        request_id=ending.request_id,
    )
