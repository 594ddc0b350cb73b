"""What the scripted server answers in the client's tests: one well-behaved script a model."""

import hashlib
import io
import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from fake_triton import Payloads, Refusal, Script
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SAMPLE_RATE_HZ = 24_000
SAMPLES_PER_FRAME = 1_920
TIMINGS = {"queue_s": 0.001, "first_event_s": 0.25, "total_s": 0.5}
ENDING = {"finish_reason": "stop", "timings": TIMINGS}
SPEECH_ENDING = {**ENDING, "audio_s": 0.08, "real_time_factor": 0.1, "underrun_s": 0.0, "cut_by": None}
STEPS = 3


def event(index: int, kind: str, **fields: Any) -> bytes:
    return json.dumps({"index": index, "type": kind, **fields}).encode()


def transcript(inputs: Payloads) -> Iterator[Payloads]:
    """Hears its own input: the text is the audio's length, so that tests can tell requests apart."""
    text = f"{len(inputs['AUDIO'])} bytes"
    yield {"TEXT": text.encode(), "RESULT": json.dumps(_result(text, json.loads(inputs["OPTIONS"]))).encode()}


def _result(text: str, options: dict[str, Any]) -> dict[str, Any]:
    segments = [{"start_s": 0.0, "end_s": 2.5, "text": text}]
    result = {"language": "English", "duration_s": 2.5, "text": text, "segments": segments, **ENDING}
    timestamps = options.get("timestamps", "segment")
    if timestamps != "none":
        result["cues"] = [{"start_s": 0.0, "end_s": 2.5, "text": text.replace(" ", "\n")}]
    if timestamps in ("word", "char"):
        result["words"] = timed_words(text)
    if options.get("itn"):
        result["raw_text"] = f"spoken {text}"
    return result


def timed_words(text: str) -> list[dict[str, Any]]:
    """A word a second."""
    return [{"text": word, "start_s": float(at), "end_s": at + 0.5} for at, word in enumerate(text.split())]


def alignment(inputs: Payloads) -> Iterator[Payloads]:
    """Times the words of TEXT, each with a cue of its own."""
    words = timed_words(inputs["TEXT"].decode())
    result = {"language": "English", "duration_s": 9.0, "words": words, "cues": words, **ENDING}
    yield {"RESULT": json.dumps(result).encode()}


def aligned_transcript(inputs: Payloads) -> Iterator[Payloads]:
    """The two above in a row."""
    [heard] = transcript({"AUDIO": inputs["AUDIO"], "OPTIONS": inputs["ASR_OPTIONS"]})
    [aligned] = alignment({"TEXT": heard["TEXT"], "OPTIONS": inputs["ALIGN_OPTIONS"]})
    yield {"TEXT": heard["TEXT"], "TRANSCRIPT": heard["RESULT"], "RESULT": aligned["RESULT"]}


@dataclass
class Captioner:
    """Hears one word, its number, in each half second at 16 kHz; the last one is partial until four make a segment.

    Its state is by sequence and token, as the real model's is.
    """

    idle_timeout_s: float = 600.0
    num_bytes: dict[bytes, int] = field(default_factory=dict)
    num_events: dict[bytes, int] = field(default_factory=dict)

    def __call__(self, inputs: Payloads) -> Iterator[Payloads]:
        sequence, is_final = inputs["CORRID"], inputs["END"] == b"1"
        token, told = f"token of {sequence.decode()}", {}
        if inputs["START"] == b"1":
            self.num_bytes[sequence], self.num_events[sequence] = 0, -1
            told = {"token": token, "idle_timeout_s": self.idle_timeout_s}
        elif json.loads(inputs["OPTIONS"]).get("token") != token:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "OPTIONS.token opens no stream")
        before = self.num_bytes[sequence] // HALF_SECOND_BYTES
        self.num_bytes[sequence] += len(inputs["AUDIO"])
        self.num_events[sequence] += 1
        after = self.num_bytes[sequence] // HALF_SECOND_BYTES
        is_all_stable = is_final or after % NUM_SEGMENT_WORDS == 0
        num_stable = after if is_all_stable else after - 1
        yield {
            "EVENT": event(
                self.num_events[sequence],
                "captions",
                stable=_numbers(0, num_stable),
                partial=_numbers(num_stable, after),
                language="English",
                segment=after // NUM_SEGMENT_WORDS,
                segments=_ended(before, after, is_final),
                audio_s=self.num_bytes[sequence] / (2 * HALF_SECOND_BYTES),
                is_final=is_final,
                finish_reason="stop",
                **told,
            )
        }


HALF_SECOND_BYTES = 16_000
NUM_SEGMENT_WORDS = 4


def _numbers(start: int, stop: int) -> str:
    return "".join(f"{' ' if number else ''}w{number}" for number in range(start, stop))


def _ended(before: int, after: int, is_final: bool) -> list[dict[str, Any]]:
    """The segments that ended between two numbers of words; at the end, the one that runs."""
    ends = [number for number in range(before + 1, after + 1) if number % NUM_SEGMENT_WORDS == 0]
    if is_final and after % NUM_SEGMENT_WORDS:
        ends.append(after)
    starts = [(end - 1) // NUM_SEGMENT_WORDS * NUM_SEGMENT_WORDS for end in ends]
    return [
        {"start_s": start / 2, "end_s": end / 2, "text": _numbers(start, end).strip()}
        for start, end in zip(starts, ends, strict=True)
    ]


def frame(index: int) -> np.ndarray:
    """The PCM16 samples of the frame with this index."""
    return np.full(SAMPLES_PER_FRAME, (index + 1) * 1000, "<i2")


def audio_event(index: int) -> Payloads:
    told = event(index, "audio", frames=index + 1, elapsed_s=0.25, sample_rate_hz=SAMPLE_RATE_HZ)
    return {"AUDIO": frame(index).tobytes(), "EVENT": told}


def speech(inputs: Payloads) -> Iterator[Payloads]:
    """One frame for each word."""
    num_frames = len(inputs["TEXT"].split())
    for index in range(num_frames):
        yield audio_event(index)
    yield {"AUDIO": b"", "EVENT": event(num_frames, "end", **SPEECH_ENDING)}


@dataclass
class TextSpeaker:
    """Speaks as `speech`, and texts that are still being written once they are complete: each needs its token."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    complete: dict[str, threading.Event] = field(default_factory=lambda: defaultdict(threading.Event))

    def __call__(self, inputs: Payloads) -> Iterator[Payloads]:
        options, text = json.loads(inputs["OPTIONS"]), inputs["TEXT"].decode()
        name = options.get("text_stream")
        if name is None:
            yield from speech(inputs)
        elif options.get("action") == "add_text":
            yield from self._add(name, text, options)
        else:
            yield from self._speak(name, text)

    def _add(self, name: str, text: str, options: dict[str, Any]) -> Iterator[Payloads]:
        if options.get("token") != f"token of {name}":
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "OPTIONS.token opens no text stream")
        self.texts[name].append(text)
        if options.get("text_complete"):
            self.complete[name].set()
        yield {"AUDIO": b"", "EVENT": event(0, "text", chars=len(text))}
        yield {"AUDIO": b"", "EVENT": event(1, "end", **ENDING)}

    def _speak(self, name: str, text: str) -> Iterator[Payloads]:
        self.texts[name] = [text]
        yield {"AUDIO": b"", "EVENT": event(0, "text_stream", text_stream=name, token=f"token of {name}")}
        assert self.complete[name].wait(20)
        for index, payloads in enumerate(speech({"TEXT": "".join(self.texts[name]).encode()})):
            told = {**json.loads(payloads["EVENT"]), "index": index + 1}
            yield {**payloads, "EVENT": json.dumps(told).encode()}


def encoded(width: int, height: int, file_format: str = "PNG", recipe: dict[str, Any] | None = None) -> bytes:
    """A red picture; PNG may hold a recipe."""
    file = io.BytesIO()
    text = PngInfo()
    if recipe is not None:
        text.add_itxt("qwen_recipe", json.dumps(recipe))
    Image.new("RGB", (width, height), "red").save(file, file_format, pnginfo=text)
    return file.getvalue()


def progress_event(index: int, picture: int = 0, step: int = 1, preview: bytes = b"") -> Payloads:
    told = {"picture": picture, "step": step, "steps": STEPS, "eta_s": float(STEPS - step), "preview": bool(preview)}
    return {"IMAGE": preview, "TEXT": b"", "EVENT": event(index, "progress", **told)}


def _drawn(prompt: bytes, options: dict[str, Any], **made_from: Any) -> Iterator[Payloads]:
    """Queued behind two others; a preview after every step, where any is asked for."""
    index = itertools.count()
    width, height = options.get("width", 64), options.get("height", 64)
    file_format, seed = options.get("format", "png"), options.get("seed", 0)
    preview = encoded(8, 8, "JPEG") if "preview_every" in options else b""
    yield {"IMAGE": b"", "TEXT": b"", "EVENT": event(next(index), "queued", position=2)}
    for picture in range(options.get("n", 1)):
        for step in range(1, STEPS + 1):
            yield progress_event(next(index), picture, step, preview)
        told = {"picture": picture, "width": width, "height": height, "seed": seed + picture, "format": file_format}
        recipe = {"model": "qwen_image", "checkpoint": "scripted", "prompt": prompt.decode(), "task": "generate",
                  "steps": STEPS, **told, **made_from}  # fmt: skip
        data = encoded(width, height, file_format.upper(), recipe)
        yield {"IMAGE": data, "TEXT": prompt, "EVENT": event(next(index), "image", **told)}
    yield {"IMAGE": b"", "TEXT": b"", "EVENT": event(next(index), "end", **ENDING)}


STYLE = {
    "name": "anime",
    "title": {"en": "Anime", "zh": "动漫"},
    "template": {"en": "{prompt}, x", "zh": "{prompt}，x"},
}


def picture(inputs: Payloads) -> Iterator[Payloads]:
    """The recipe tells the files that came with the request."""
    options = json.loads(inputs["OPTIONS"])
    if options.get("action") == "list_styles":
        yield {"IMAGE": b"", "TEXT": b"", "EVENT": event(0, "styles", styles=[STYLE])}
        yield {"IMAGE": b"", "TEXT": b"", "EVENT": event(1, "end", **ENDING)}
        return
    made_from: dict[str, Any] = {"task": options.get("task", "generate")}
    if "IMAGE" in inputs:
        made_from["images_sha256"] = [hashlib.sha256(image).hexdigest() for image in inputs["IMAGE"]]
    if "MASK" in inputs:
        made_from["mask_sha256"] = hashlib.sha256(inputs["MASK"]).hexdigest()
    yield from _drawn(inputs["PROMPT"], options, **made_from)


def spoken_picture(inputs: Payloads) -> Iterator[Payloads]:
    heard = f"{len(inputs['AUDIO'])} bytes"
    return _drawn(heard.encode(), json.loads(inputs["IMAGE_OPTIONS"]))


def chart(inputs: Payloads) -> Iterator[Payloads]:
    """A red picture of the size asked for."""
    told, options = json.loads(inputs["CHART"]), json.loads(inputs["OPTIONS"])
    width, height = options.get("width", 120), options.get("height", 40)
    file_format = options.get("format", "png")
    result = {"type": told["type"], "title": told.get("title", ""), "width": width, "height": height,
              "format": file_format, "language": "en", "not_drawn": "", **ENDING}  # fmt: skip
    yield {"IMAGE": encoded(width, height, file_format), "RESULT": json.dumps(result).encode()}


def description(inputs: Payloads) -> Iterator[Payloads]:
    """Tells how large the file is."""
    told = {"text": f"{len(inputs['IMAGE'])} bytes", "question": inputs["TEXT"].decode() or "Describe the picture.",
            "width": 64, "height": 48, "usage": {"prompt_tokens": 20, "completion_tokens": 3}, **ENDING}  # fmt: skip
    yield {"TEXT": told["text"].encode(), "RESULT": json.dumps(told).encode()}


def chat(inputs: Payloads) -> Iterator[Payloads]:
    """Thinks where it may, then says how many messages it was sent and repeats the last one, a word a piece."""
    options = json.loads(inputs["OPTIONS"])
    messages = options["messages"]
    thoughts = ["Let me ", "see."] if options.get("thinking") else []
    words = f"{len(messages)}: {messages[-1]['content']}".split(" ")
    text = [f"{word} " for word in words[:-1]] + words[-1:]
    pieces = [("thinking", piece) for piece in thoughts] + [("text", piece) for piece in text]
    for index, (kind, piece) in enumerate(pieces):
        yield {"text_output": piece.encode(), "EVENT": event(index, kind)}
    usage = {"prompt_tokens": 12, "cached_tokens": 8, "completion_tokens": len(pieces)}
    yield {"text_output": b"", "EVENT": event(len(pieces), "end", usage=usage, **ENDING)}


SCRIPTS: dict[str, Script] = {
    "qwen3_asr": transcript,
    "qwen3_asr_stream": Captioner(),
    "qwen3_aligner": alignment,
    "aligned_transcript": aligned_transcript,
    "qwen3_tts": speech,
    "qwen3_chat": chat,
    "qwen_image": picture,
    "spoken_image": spoken_picture,
    "qwen3_vl": description,
    "chart_image": chart,
}
