"""Recordings of one meeting, each with a speaker of its own, made into one transcript."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from qwen_engine.chains.tasks.json_types import Segment, SpokenLine, Transcript
from qwen_engine.text.sentences import sentences
from qwen_wire.errors import InvalidRequest
from qwen_wire.transcripts import clock_time


def merge_transcripts(results: Sequence[Transcript], speakers: Sequence[str]) -> dict[str, Any]:
    """One transcript of several `qwen3_asr` RESULTs that all begin at the same moment.

    `speakers`: a name for each, or none at all, then they are "Speaker 1", … A line is a sentence of one speaker; where
    a segment has several, its time is shared among them by their length.

    Returns {"speakers", "language", "duration_s", "lines": [{"start_s", "end_s", "speaker", "text"}], "cues": the same
    keys, "failed": [{"speaker", "start_s", "end_s", "message"}]}, all in the order of time.
    """
    names = _names(len(results), speakers)
    named = list(zip(names, results, strict=True))
    return {
        "speakers": names,
        "language": next((result["language"] for result in results if result["language"]), None),
        "duration_s": max((result["duration_s"] for result in results), default=0.0),
        "lines": _in_order(line for name, result in named for line in _lines(name, result["segments"])),
        "cues": _in_order({**cue, "speaker": name} for name, result in named for cue in result.get("cues", [])),
        "failed": _in_order({**lost, "speaker": name} for name, result in named for lost in result.get("failed", [])),
    }


def meeting_texts(lines: Sequence[SpokenLine], max_chars: Annotated[int, Field(ge=1)]) -> list[str]:
    """The lines as the minutes are made from them, "[00:05] Anna: Good morning.", in texts of about the same length.

    They are as few as may be when none has much more than `max_chars`.

    Raises:
        InvalidRequest: nothing was said.
    """
    if not lines:
        raise InvalidRequest("nothing is said in the recordings")
    written = [f"[{clock_time(line['start_s'])}] {line['speaker']}: {line['text']}" for line in lines]
    num_chars = sum(len(line) + 1 for line in written)
    num_texts = min(-(-num_chars // max_chars), len(lines))
    texts: list[list[str]] = [[] for _ in range(num_texts)]
    before = 0
    for line in written:
        texts[(before + len(line) // 2) * num_texts // num_chars].append(line)
        before += len(line) + 1
    return ["\n".join(text) for text in texts if text]


def _names(num_recordings: int, speakers: Sequence[str]) -> list[str]:
    if not speakers:
        return [f"Speaker {number}" for number in range(1, num_recordings + 1)]
    if len(speakers) != num_recordings:
        raise InvalidRequest(
            f"speakers has {len(speakers)} names for {num_recordings} recordings; give one for each, or none"
        )
    return list(speakers)


def _lines(speaker: str, segments: Sequence[Segment]) -> list[dict[str, Any]]:
    return [line for segment in segments for line in _shared(speaker, segment)]


def _shared(speaker: str, segment: Segment) -> list[dict[str, Any]]:
    """The sentences of a segment; each has as much of its time as of its letters."""
    said = sentences(segment["text"])
    num_chars = sum(map(len, said))
    at_s, lines = segment["start_s"], []
    for text in said:
        end_s = at_s + (segment["end_s"] - segment["start_s"]) * len(text) / num_chars
        lines.append({"start_s": round(at_s, 3), "end_s": round(end_s, 3), "speaker": speaker, "text": text})
        at_s = end_s
    return lines


def _in_order(spans: Any) -> list[dict[str, Any]]:
    return sorted(spans, key=lambda span: (span["start_s"], span["end_s"]))
