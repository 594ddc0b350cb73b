"""The costly requests to each model; see costly_requests.py."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from tests.costly_parts import (
    LARGEST_IMAGE,
    SENTENCE,
    SIXTEEN_MEGAPIXELS,
    SMALL_CHART,
    TINY_IMAGE,
    Costly,
    Inputs,
    Payloads,
    as_json,
    chart,
    mask,
    picture,
    samples,
    speech,
    words,
)

WAV_HEADER_BYTES = 44
RAW = {"audio_format": "pcm_f32le", "sample_rate_hz": 384_000}


def _recognition() -> Iterator[Costly]:
    name, context = "qwen3_asr", words(4000, SENTENCE)
    yield Costly(
        "a recording of twenty minutes",
        name,
        ("AUDIO",),
        lambda: {"AUDIO": speech(1200)},
        times=600,
        held_mb=300,
        slow=True,
    )
    yield Costly(
        "a recording of three hours",
        name,
        ("max_audio_s",),
        lambda: {"AUDIO": speech(10_800)},
        lambda: {"max_audio_s": 10_800},
        times=2000,  # in batches, so less than 5400
        held_mb=1500,
        holds_up=3.0,  # its process copies 345 MB when it comes, and gives more back when it ends
        slow=True,
    )
    yield Costly(
        "as many tokens as a piece may have",
        name,
        ("max_new_tokens", "context", "vad"),
        lambda: {"AUDIO": speech(30)},
        lambda: {"max_new_tokens": 4096, "context": context, "vad": False, "temperature": 2.0},
        times=100,
    )
    yield Costly(
        "the times of all characters",
        name,
        ("timestamps", "return", "itn"),
        lambda: {"AUDIO": speech(60)},
        lambda: {"timestamps": "char", "return": "srt", "itn": True},
        times=60,
    )
    yield Costly(
        "samples of the highest rate",
        name,
        ("sample_rate_hz", "audio_format"),
        lambda: {"AUDIO": samples(30, 384_000, 1, "<f4")},
        lambda: RAW,
        times=15,
    )
    yield Costly(
        "samples of as many channels",
        name,
        ("num_channels",),
        lambda: {"AUDIO": samples(60, 8000, 64)},
        lambda: {"audio_format": "pcm_s16le", "sample_rate_hz": 8000, "num_channels": 64},
        times=30,
    )
    yield Costly(
        "samples as text",
        name,
        ("input_encoding",),
        lambda: {"AUDIO": b64encode(samples(30, 192_000, 1, "<f4"))},
        lambda: {**RAW, "sample_rate_hz": 192_000, "input_encoding": "base64"},
        times=15,
    )


def _captions() -> Iterator[Costly]:
    name = "qwen3_asr_stream"
    yield Costly(
        "the longest chunk",
        name,
        ("AUDIO", "context"),
        lambda: {"AUDIO": speech(10)[WAV_HEADER_BYTES:]},
        lambda: {"context": words(4000, SENTENCE)},
        times=40,
    )
    yield Costly(
        "a chunk of the highest rate",
        name,
        ("sample_rate_hz", "audio_format"),
        lambda: {"AUDIO": samples(5, 384_000, 1, "<f4")},
        lambda: RAW,
        times=40,
    )
    yield Costly(
        "a chunk of as many channels",
        name,
        ("num_channels",),
        lambda: {"AUDIO": samples(7.5, 4000, 64)},
        lambda: {"sample_rate_hz": 4000, "num_channels": 64},
        times=40,
    )


def _alignment() -> Iterator[Costly]:
    name = "qwen3_aligner"
    yield Costly(
        "a book in twenty minutes",
        name,
        ("AUDIO", "TEXT"),
        lambda: {"AUDIO": speech(1200), "TEXT": words(99_900, "letters").encode()},
        times=600,
        held_mb=300,
        slow=True,
    )
    yield Costly(
        "the times of all characters",
        name,
        ("timestamps",),
        lambda: {"AUDIO": speech(60), "TEXT": words(5000).encode()},
        lambda: {"timestamps": "char"},
        times=60,
    )
    yield Costly(
        "one word of as many letters",
        name,
        ("TEXT",),
        lambda: {"AUDIO": speech(60), "TEXT": b"a" * 100_000},
        times=60,
        ends="INVALID_ARGUMENT: sound and words take [0-9]+ positions; the limit is 16384",
    )
    yield Costly(
        "samples of the highest rate",
        name,
        ("sample_rate_hz", "audio_format"),
        lambda: {"AUDIO": samples(30, 384_000, 1, "<f4"), "TEXT": b"Good morning."},
        lambda: RAW,
        times=15,
    )
    yield Costly(
        "samples of as many channels",
        name,
        ("num_channels",),
        lambda: {"AUDIO": samples(60, 8000, 64), "TEXT": b"Good morning."},
        lambda: {"audio_format": "pcm_s16le", "sample_rate_hz": 8000, "num_channels": 64},
        times=30,
    )


def _synthesis() -> Iterator[Costly]:
    name = "qwen3_tts"
    said = {"consent": "c" * 500, "reference_text": words(2000)}
    yield Costly(
        "the longest text",
        name,
        ("TEXT", "max_audio_s"),
        lambda: {"TEXT": words(4000).encode()},
        lambda: {"max_audio_s": 60},
        times=120,
        slow=True,
    )
    yield Costly(
        "the smallest chunks",
        name,
        ("chunk_frames", "text_feed"),
        lambda: {"TEXT": words(4000).encode()},
        lambda: {"max_audio_s": 10, "text_feed": "beside", "chunk_frames": [1] * 16},
        times=20,
    )
    yield Costly(
        "the largest chunks",
        name,
        ("chunk_frames", "stream", "output_encoding"),
        lambda: {"TEXT": words(600).encode()},
        lambda: {"max_audio_s": 10, "chunk_frames": [250] * 16, "stream": False, "output_encoding": "base64"},
        times=20,
    )
    yield Costly(
        "the longest recording to clone",
        name,
        ("REF_AUDIO", "consent", "reference_text"),
        lambda: {"TEXT": b"Hello.", "REF_AUDIO": speech(30)},
        lambda: {"max_audio_s": 1, **said},
        times=60,
        held_mb=250,
        slow=True,
    )
    yield Costly(
        "the longest instruction",
        name,
        ("instruction",),
        lambda: {"TEXT": b"Hello."},
        lambda: {"max_audio_s": 1, "instruction": words(2000)},
        times=10,
    )
    yield Costly(
        "a text that never comes",
        name,
        ("text_stream",),
        lambda: {"TEXT": b"Hello."},
        lambda: {"text_stream": "t" * 64},
        times=400,  # 30 s without text; a normal request takes about 0.07 s
        ends="INVALID_ARGUMENT: text stream 't{64}' got no text for 30 s",
        slow=True,
    )


def _schema_of_many_keys() -> dict[str, Any]:
    fields = {f"key_{number}": {"type": "string", "maxLength": 100} for number in range(830)}
    return {"type": "object", "properties": fields, "required": list(fields)}


def turns(count: int) -> list[dict[str, str]]:
    """The last is the user's."""
    return [{"role": ("user", "assistant")[left % 2], "content": "ab"} for left in reversed(range(count))]


def _chat() -> Iterator[Costly]:
    name = "qwen3_chat"
    text = {"text_input": b"Hello."}
    yield Costly(
        "the longest prompt",
        name,
        ("text_input",),
        lambda: {"text_input": words(6700).encode()},
        lambda: {"max_tokens": 8},
        times=100,
    )
    yield Costly(
        "a prompt of as many characters",
        name,
        ("text_input",),
        lambda: {"text_input": words(200_000).encode()},
        times=100,
        ends="INVALID_ARGUMENT: the prompt has [0-9]+ tokens; the limit for it and its answer is 4096",
    )
    yield Costly(
        "the longest conversation",
        name,
        (),
        dict,
        lambda: {"messages": turns(679), "max_tokens": 8},
        times=100,
    )
    yield Costly(
        "as many messages",
        name,
        ("messages",),
        dict,
        lambda: {"messages": turns(1000)},
        times=100,
        ends="INVALID_ARGUMENT: the prompt has [0-9]+ tokens; the limit for it and its answer is 4096",
    )
    yield Costly(
        "the longest answer",
        name,
        ("max_tokens", "min_tokens", "stop", "repetition_penalty", "presence_penalty", "frequency_penalty"),
        lambda: text,
        lambda: {
            "max_tokens": 4096,
            "min_tokens": 4096,
            "stop": [chr(97 + n) * 199 + "b" for n in range(16)],
            "temperature": 2.0,
            "top_k": -1,
            "top_p": 0.9,
            "repetition_penalty": 10.0,
            "presence_penalty": 2.0,
            "frequency_penalty": 2.0,
        },
        times=512,
    )
    yield Costly(
        "a schema of many keys",
        name,
        ("json_schema",),
        lambda: text,
        lambda: {"json_schema": _schema_of_many_keys(), "max_tokens": 500},
        times=64,
    )
    yield Costly(
        "a schema of a large pattern",
        name,
        ("json_schema",),
        lambda: text,
        lambda: {"json_schema": {"type": "string", "pattern": "^(a|b|c){1,3000}(d|e){1,3000}$"}, "max_tokens": 500},
        times=64,
    )


def _images() -> Iterator[Costly]:
    name = "qwen_image"
    yield Costly(
        "as many and as large pictures",
        name,
        ("width", "height", "n", "steps", "preview_every", "true_cfg_scale"),
        lambda: {"PROMPT": b"a ring"},
        lambda: {**LARGEST_IMAGE, "n": 8, "preview_every": 1, "true_cfg_scale": 20.0},
        times=1000,  # small pictures take their time per operation, so these take less than their pixels say
        held_mb=200,  # the steps of eight pictures with two predictions each, and their decoding
        holds_up=6.0,  # steps of eight pictures at once, in turns with the small ones
        slow=True,
    )
    yield Costly(
        "one picture as large",
        name,
        ("format", "quality"),
        lambda: {"PROMPT": b"a ring"},
        lambda: {**LARGEST_IMAGE, "steps": 4, "format": "webp", "quality": 100},
        times=128,
    )
    yield Costly(
        "the longest prompts",
        name,
        ("PROMPT", "negative_prompt"),
        lambda: {"PROMPT": words(500).encode()},
        lambda: {**TINY_IMAGE, "negative_prompt": words(500), "true_cfg_scale": 2.0},
        times=40,
    )
    yield Costly(
        "prompts of as many characters",
        name,
        ("PROMPT", "negative_prompt"),
        lambda: {"PROMPT": words(4000).encode()},
        lambda: {**TINY_IMAGE, "negative_prompt": words(4000)},
        times=40,
        ends="INVALID_ARGUMENT: PROMPT takes [0-9]+ tokens with its frame; the limit is 512",
    )
    yield Costly(
        "as many given pictures",
        name,
        ("IMAGE", "task"),
        lambda: {"PROMPT": b"a ring", "IMAGE": (picture(*SIXTEEN_MEGAPIXELS, "JPEG"),) * 3},
        lambda: {"steps": 2, "task": "edit"},
        times=400,
        held_mb=500,
        holds_up=3.0,  # three pictures are encoded in one go
        slow=True,
    )
    yield Costly(
        "as large a mask",
        name,
        ("MASK", "strength"),
        lambda: {
            "PROMPT": b"a ring",
            "IMAGE": picture(*SIXTEEN_MEGAPIXELS, "JPEG"),
            "MASK": mask(*SIXTEEN_MEGAPIXELS),
        },
        lambda: {"steps": 2, "task": "inpaint", "strength": 1.0},
        times=200,
        held_mb=250,
        slow=True,
    )
    spans = [{"start_s": number, "end_s": number + 1, "text": "a ring"} for number in range(60_000)]
    yield Costly(
        "the longest transcript",
        name,
        ("HEARD",),
        lambda: {
            "PROMPT": b"a ring",
            "HEARD": as_json({"language": "English", "duration_s": 60_000.0, "text": "a ring", "segments": spans}),
        },
        lambda: TINY_IMAGE,
        times=100,
    )


LONG_TALK = [
    {"role": "system", "content": "word"},
    {"role": "user", "content": [{"type": "image"}] * 4},
    *({"role": role, "content": "word " * 3} for role in ("assistant", "user") * 49),
]


def _vision() -> Iterator[Costly]:
    name = "qwen3_vl"
    yield Costly(
        "as large a picture",
        name,
        ("IMAGE",),
        lambda: {"IMAGE": picture(*SIXTEEN_MEGAPIXELS), "TEXT": words(900).encode()},
        lambda: {"max_new_tokens": 400, "temperature": 2.0},
        times=300,
        held_mb=250,
    )
    yield Costly(
        "a conversation with as many pictures",
        name,
        ("IMAGE", "messages"),
        lambda: {"IMAGE": (picture(*SIXTEEN_MEGAPIXELS, "JPEG"),) * 4, "TEXT": b""},
        lambda: {"messages": LONG_TALK, "max_new_tokens": 9},
        times=500,
        held_mb=500,
        ends="INVALID_ARGUMENT: picture .*, question and answer .* take [0-9]+ tokens; the limit is 1024",
    )
    yield Costly(
        "the longest question and answer",
        name,
        ("TEXT", "max_new_tokens"),
        lambda: {"IMAGE": picture(64, 64), "TEXT": words(2000).encode()},
        lambda: {"max_new_tokens": 4096},
        times=100,
        ends="INVALID_ARGUMENT: picture .*, question and answer .* take [0-9]+ tokens; the limit is 1024",
    )


def _timeline() -> Payloads:
    days = [f"{1900 + number}-01-01" for number in range(60)]
    return chart(type="timeline", events=[{"date": day, "label": words(12)} for day in days])


def _matrix() -> Payloads:
    people = [f"{number:02}" for number in range(24)]
    tasks = [{"name": f"{number} {words(10)}", "roles": dict.fromkeys(people, "RA")} for number in range(94)]
    return chart(type="responsibility_matrix", people=people, tasks=tasks)


def _gantt() -> Payloads:
    tasks = [
        {
            "name": f"{number:03}",
            "start": "1900-01-01",
            "end": "1999-12-31",
            "progress": 0.5,
            "owner": words(80),
            "after": [f"{earlier:03}" for earlier in range(max(0, number - 15), number)],
        }
        for number in range(100)
    ]
    return chart(type="gantt", today="1950-01-01", tasks=tasks)


def _bars() -> Payloads:
    series = [{"name": f"{words(198)}{number}", "values": [number + 0.5] * 60} for number in range(8)]
    return chart(type="bar", unit=words(400), title=words(400), categories=[words(200)] * 60, series=series)


def _concepts() -> Payloads:
    names = [f"{number} {words(60)}" for number in range(60)]
    links = [{"source": names[n % 50], "target": names[n % 50 + 10 - n // 100]} for n in range(120)]
    concepts = [{"name": name, "detail": words(40)} for name in names]
    return chart(type="concept_graph", concepts=concepts, links=links)


CHARTS: Mapping[str, Inputs] = {
    "timeline": _timeline,
    "responsibility_matrix": _matrix,
    "gantt": _gantt,
    "bar": _bars,
    "concept_graph": _concepts,
}
FINEST = {"format": "webp", "quality": 100}


def _charts() -> Iterator[Costly]:
    page = {"width": 4096, "height": 3900, **FINEST}
    for kind, made in CHARTS.items():
        own = {"width": 2000, **FINEST} if kind == "gantt" else page  # which would be higher than is allowed
        yield Costly(
            f"the largest {kind}",
            "chart_image",
            (kind, "CHART"),
            made,
            lambda own=own: own,
            times=500,
            held_mb=400,
            holds_up=2.0,  # a small chart waits for the processor, not for its turn
            slow=kind in ("responsibility_matrix", "gantt"),
        )
    small = lambda: {"CHART": as_json(SMALL_CHART)}  # noqa: E731
    yield Costly(
        "the finest picture",
        "chart_image",
        ("scale", "format", "quality"),
        small,
        lambda: {"width": 1000, "height": 1000, "scale": 4, **FINEST},
        times=100,
        held_mb=200,
        holds_up=2.0,
    )
    yield Costly(
        "the widest picture",
        "chart_image",
        ("width",),
        small,
        lambda: {"width": 4096, "height": 3900, **FINEST},
        times=100,
        held_mb=200,
        holds_up=2.0,
    )
    yield Costly(
        "the highest picture",
        "chart_image",
        ("height",),
        small,
        lambda: {"width": 970, "height": 16_383, **FINEST},
        times=100,
        held_mb=200,
        holds_up=2.0,
    )


def of_models() -> Iterator[Costly]:
    """Of all of them."""
    for requests in (_recognition, _captions, _alignment, _synthesis, _chat, _images, _vision, _charts):
        yield from requests()
