"""The costly requests to the chains, and the costly arguments of the functions in them; see costly_requests.py."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.costly_models import turns
from tests.costly_parts import (
    AUDIO,
    LARGEST_IMAGE,
    SENTENCE,
    SIXTEEN_MEGAPIXELS,
    SMALL_CHART,
    SMALL_NODE,
    Costly,
    Inputs,
    Payloads,
    as_json,
    picture,
    quiet,
    samples,
    speech,
    words,
    workflow,
)
from tests.meetings import meeting

LINE = {"start_s": 0.0, "speaker": "Anna", "text": words(60)}
LESSON = {
    "title": words(200),
    "slides": [{"title": words(100), "text": words(2000), "key_terms": [f"term {n}" for n in range(20)]}] * 100,
    "links": [{"from": f"term {n % 20}", "to": f"term {(n + 1) % 20}", "label": "is"} for n in range(2000)],
}
MINUTES = {
    "title": words(200),
    "decisions": [{"text": words(60) + str(n)} for n in range(1000)],
    "actions": [{"task": words(60) + str(n), "owner": "Ben and Anna", "due": "tomorrow"} for n in range(1000)],
    "dates": [{"date": "in 3 days", "event": words(60) + str(n)} for n in range(1000)],
}
# What the demo chat model makes of a text unlike all that it has learnt on: as long an answer as it may give.
CUT = "INVALID_ARGUMENT: the answer is not JSON; it was cut"
AFTER_TALK = {
    "storyboard": "INVALID_ARGUMENT: PROMPT takes [0-9]+ tokens with its frame; the limit is 512",  # its first scene
    "courseware": CUT,
    "product_ad": CUT,
}
LANGUAGES = ["zh", "en", "ja", "de", "fr", "es", "it", "pt", "ru", "ko"]


def _heard(num_segments: int) -> dict[str, Any]:
    spans = [{"start_s": float(n), "end_s": n + 1.0, "text": words(60)} for n in range(num_segments)]
    return {"language": "English", "duration_s": 9.5, "segments": spans, "cues": spans, "failed": []}


def _translations() -> dict[str, Any]:
    texts = dict.fromkeys([LESSON["title"], words(100), words(2000), *(f"term {n}" for n in range(20)), "is"])
    requests = [{"language": code, "text": text} for code in LANGUAGES if code != "en" for text in texts]
    return {"requests": requests, "translations": [one["text"] for one in requests]}


ARGUMENTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "join_texts": lambda: {"texts": ["a"] * 200_000, "separator": "separator"},
    "first_of": lambda: {"values": [""] * 200_000},
    "merge_transcripts": lambda: {"results": [_heard(3000)] * 8, "speakers": []},
    "meeting_texts": lambda: {"lines": [LINE] * 60_000, "max_chars": 1},
    "meeting_day": lambda: {"day": "2026-11-25"},
    "meeting_minutes": lambda: {"parts": [MINUTES] * 20, "day": "2026-11-25"},
    "minutes_charts": lambda: {
        "minutes": {
            **MINUTES,
            "actions": [{**one, "due_date": "2026-11-26"} for one in MINUTES["actions"]],
            "dates": [{**one, "on": "2026-11-26"} for one in MINUTES["dates"]],
        },
        "lines": [LINE] * 400,
        "speakers": [f"speaker {n}" for n in range(100_000)],
        "day": "2026-11-25",
    },
    "illustration_prompt": lambda: {"minutes": {"title": "a" * 15_000_000}, "wish": ""},
    "shot": lambda: {"prompt": "a" * 15_000_000, "number": 1, "seed": 3},
    "readings": lambda: {"variants": [{"text": "a"}] * 500, "voices": ["ava"] * 300},
    "whole_text": lambda: {"text": words(5_000_000), "heard": ["a "] * 200_000, "name": "idea"},
    "lesson_language": lambda: {"heard": [{"language": None}] * 120_000, "given": "en"},
    "translation_requests": lambda: {"lesson": LESSON, "languages": LANGUAGES, "source": "en"},
    "localised_lessons": lambda: {"lesson": LESSON, **_translations(), "languages": LANGUAGES, "source": "en"},
    "concept_charts": lambda: {"lessons": dict.fromkeys(LANGUAGES, LESSON)},
    "narration": lambda: {"lessons": dict.fromkeys(LANGUAGES, LESSON), "voices": dict.fromkeys(LANGUAGES)},
}


def _functions() -> Iterator[Costly]:
    for name, arguments in ARGUMENTS.items():
        inputs, options = _called(name, arguments)
        yield Costly(f"{name} of much", "workflow", (name,), inputs, options, times=1000)


def _called(name: str, arguments: Callable[[], dict[str, Any]]) -> tuple[Inputs, Callable[[], Mapping[str, Any]]]:
    """A workflow of one function whose arguments are inputs: WORKFLOW itself has no room for them."""

    def inputs() -> Payloads:
        names = arguments()
        node = {"function": name, "arguments": {one: f"$inputs.{one}" for one in names}}
        return workflow({"made": node}, inputs={one: {"type": "json"} for one in names})

    return inputs, lambda: {"inputs": arguments()}


def _nested() -> Payloads:
    graph: dict[str, Any] = {"nodes": {"said": SMALL_NODE}, "outputs": {"said": "$said.RESULT"}}
    for _ in range(3):
        inner = {"model": "workflow", "inputs": {"WORKFLOW": "$inputs.inner"}}
        graph = {
            "inputs": {"inner": {"type": "json", "default": graph}},
            "nodes": {f"n{number}": inner for number in range(3)},
            "outputs": {"said": "$n0.said"},
        }
    return {"WORKFLOW": as_json(graph)}


def _kept() -> dict[str, Any]:
    record = {"said": {"state": "done", "digest": "d", "items": [{}] * 20_000}}
    results = [{"stage": "said", "output": "RESULT", "item": item, "value": "a" * 100} for item in range(40_000)]
    return {"resume": {"record": record, "results": results}}


def _workflows() -> Iterator[Costly]:
    name = "workflow"
    each = {"foreach": "$inputs.several"}
    several = {"inputs": {"several": {"type": "json"}}}
    drawn = {"model": "chart_image", "inputs": {"CHART": SMALL_CHART}, **each}
    said = {"model": "qwen3_chat", "inputs": {"text_input": "Hello."}, "options": {"max_tokens": 8}, **each}
    joined = {"function": "join_texts", "arguments": {"texts": ["$item"]}, **each}
    yield Costly(
        "as many nodes and items",
        name,
        ("WORKFLOW", "inputs"),
        lambda: workflow({f"n{number}": joined for number in range(100)}, **several),
        lambda: {"inputs": {"several": ["a"] * 50}},
        times=5000,
    )
    yield Costly(
        "as many charts",
        name,
        (),
        lambda: workflow({"drawn": drawn}, **several),
        lambda: {"inputs": {"several": ["a"] * 500}},
        times=1000,
        holds_up=2.0,  # both processors draw
        slow=True,
    )
    yield Costly(
        "as many answers",
        name,
        (),
        lambda: workflow({"said": said}, **several),
        lambda: {"inputs": {"several": ["a"] * 500}},
        times=1000,
        slow=True,
    )
    yield Costly("as deep", name, ("deadline_s",), _nested, lambda: {"deadline_s": 10_800.0}, times=100)
    yield Costly(
        "as many files",
        name,
        ("PAYLOAD",),
        lambda: {
            **workflow({"said": SMALL_NODE}, inputs={"files": {"type": "bytes", "several": True}}),
            "PAYLOAD": (bytes(1_000_000),) * 100,
        },
        lambda: {"inputs": {"files": [{"payload": number} for number in range(100)]}},
        times=1000,
    )
    yield Costly("as much that is kept", name, ("resume",), lambda: workflow({"said": SMALL_NODE}), _kept, times=1000)
    yield Costly(
        "more bytes than a value may have",
        name,
        (),
        lambda: workflow(
            {
                f"n{number}": {
                    **SMALL_NODE,
                    "arguments": {"texts": [f"$n{number - 1}.RESULT"] * 20 if number else ["a"]},
                }
                for number in range(100)
            }
        ),
        times=1000,
        ends="INVALID_ARGUMENT: it would be a value of more than [0-9]+ bytes",
    )


def _eight_recordings() -> Payloads:
    """One asks for what the demo chat model can write about."""
    return {"AUDIO": ((AUDIO / "request.wav").read_bytes(), *(quiet(30),) * 7)}


def _named_chains() -> Iterator[Costly]:
    given = {"inputs": LARGEST_IMAGE}
    yield Costly(
        "the longest text",
        "voice_chat",
        ("TEXT", "messages"),
        lambda: {"TEXT": words(4000).encode()},
        lambda: {"messages": turns(201)[:200], "max_tokens": 64},
        times=50,
    )
    yield Costly(
        "a minute",
        "voice_chat",
        ("AUDIO", "context"),
        lambda: {"AUDIO": speech(60)},
        lambda: {"context": words(4000, SENTENCE), "max_tokens": 8},
        times=30,
    )
    yield Costly(
        "samples of the highest rate",
        "voice_chat",
        ("AUDIO", "audio_format", "sample_rate_hz"),
        lambda: {"AUDIO": samples(30, 384_000, 1, "<f4")},
        lambda: {"audio_format": "pcm_f32le", "sample_rate_hz": 384_000, "max_tokens": 8},
        times=30,
    )
    yield Costly(
        "samples of as many channels",
        "voice_chat",
        ("AUDIO", "num_channels"),
        lambda: {"AUDIO": samples(60, 8000, 64)},
        lambda: {"audio_format": "pcm_s16le", "sample_rate_hz": 8000, "num_channels": 64, "max_tokens": 8},
        times=30,
    )
    yield Costly(
        "the longest reply",
        "voice_chat",
        ("session", "max_tokens", "deadline_s"),
        lambda: {"TEXT": b"Hello."},
        lambda: {"session": "s" * 64, "max_tokens": 4096, "deadline_s": 10_800.0},
        times=20,
    )
    yield Costly(
        "the longest prompt",
        "qwen3_chat_uint32",
        ("text_input",),
        lambda: {"text_input": words(6700).encode()},
        lambda: {"max_tokens": 8},
        times=100,
    )
    yield Costly("a minute", "aligned_transcript", ("AUDIO",), lambda: {"AUDIO": speech(60)}, times=30)
    yield Costly(
        "as large a picture",
        "spoken_image",
        ("AUDIO",),
        lambda: {"AUDIO": (AUDIO / "request.wav").read_bytes()},
        lambda: LARGEST_IMAGE,
        times=100,
    )
    yield Costly(
        "eight recordings",
        "meeting_minutes",
        ("AUDIO",),
        lambda: {"AUDIO": (*meeting(0, 60).recordings.values(), *(quiet(240),) * 5)},
        times=200,
        slow=True,
    )
    yield Costly(
        "as large pictures",
        "storyboard",
        ("TEXT",),
        lambda: {"TEXT": b"a small red circle on a blue background"},
        lambda: given,
        times=500,
        slow=True,
    )
    yield Costly(
        "a long lesson",
        "courseware",
        ("TEXT",),
        lambda: {"TEXT": b"A small blue circle on a yellow background. The task is done by Ben on Friday. " * 8},
        times=100,
        slow=True,
    )
    yield Costly(
        "a lesson that is never complete",
        "courseware",
        ("TEXT",),
        lambda: {"TEXT": words(3000).encode()},
        times=200,
        ends=CUT,
        slow=True,
    )
    yield Costly(
        "as large pictures",
        "product_ad",
        ("TEXT",),
        lambda: {"TEXT": b"a small red circle on a blue background"},
        lambda: given,
        times=500,
        slow=True,
    )
    for name, ends in AFTER_TALK.items():
        yield Costly("eight recordings", name, ("AUDIO",), _eight_recordings, times=100, slow=True)
        yield Costly(
            "eight recordings of talk",
            name,
            ("AUDIO",),
            lambda: {"AUDIO": (speech(30),) * 8},
            times=200,
            ends=ends,
            slow=True,
        )
    yield Costly(
        "as large a picture",
        "describe_aloud",
        ("IMAGE", "TEXT"),
        lambda: {"IMAGE": picture(*SIXTEEN_MEGAPIXELS, "JPEG"), "TEXT": words(2000).encode()},
        times=50,
        ends="INVALID_ARGUMENT: picture .*, question and answer .* take [0-9]+ tokens; the limit is 1024",
        held_mb=250,
    )


def of_chains() -> Iterator[Costly]:
    """Of all of them."""
    for requests in (_functions, _workflows, _named_chains):
        yield from requests()
