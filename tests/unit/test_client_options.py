"""What the SDK sends is what the engine's schemas take: same names, same defaults, same choices."""

import inspect
import json
from collections.abc import Callable
from typing import Any, get_args

import pytest

from qwen_client import asr, captions, chains, image, tts
from qwen_wire.options import (
    AlignerOptions,
    Aspect,
    AsrOptions,
    CaptionOptions,
    ImageOptions,
    Options,
    TtsOptions,
    parse_options,
)

SPOKEN = {"audio_format": "pcm_s16le", "sample_rate": 8_000, "channels": 2}
HEARD = {"language": "English", "context": "Qwen"}


def sent(plan: Callable[..., Any], *arguments: Any, name: str = "OPTIONS", **options: Any) -> bytes:
    """The OPTIONS of a planned request."""
    planned = plan(*arguments, **options)
    return planned.options if isinstance(planned, captions.CaptionsPlan) else planned.inputs[name]


CASES: list[tuple[type[Options], Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    (
        AsrOptions,
        asr.transcribe,
        (b"",),
        {**HEARD, **SPOKEN, "timestamps": "word", "itn": True, "vad": False, "max_new_tokens": 9, "temperature": 0.5,
         "seed": 3, "max_audio_s": 7200.0},
    ),
    (AlignerOptions, asr.align, (b"", "hello"), {"language": "English", "timestamps": "char", **SPOKEN}),
    (CaptionOptions, captions.stream, (), {**HEARD, "sample_rate": 8_000, "channels": 2}),
    (
        TtsOptions,
        tts.synthesize,
        ("hello",),
        {"voice": "anna", "reference_text": "hi", "instruction": "high", "language": "English", "seed": 3,
         "temperature": 0.0, "top_k": 1, "top_p": 0.5, "repetition_penalty": 1.1, "sub_temperature": 0.0,
         "sub_top_k": 1, "sub_top_p": 0.5, "max_audio_s": 2.0, "text_feed": "beside", "chunk_frames": [1, 2],
         "consent": "Anna, by mail"},
    ),
    (
        ImageOptions,
        image.generate,
        ("a ring",),
        {"size": (64, 48), "steps": 3, "seed": 3, "negative_prompt": "grey", "true_cfg_scale": 2.0, "n": 2,
         "task": "vary", "strength": 0.5, "preset": "fast", "style": "anime", "lora": "ink", "preview_every": 2,
         "format": "webp", "quality": 80, "recipe": False},
    ),
]  # fmt: skip
cases = pytest.mark.parametrize(("schema", "plan", "arguments", "options"), CASES)
NOT_ON_THE_WIRE = {"on_progress", "chunk_s", "reference", "images", "mask"}


@cases
def test_defaults_are_the_schemas(
    schema: type[Options], plan: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    assert parse_options(schema, sent(plan, *arguments)) == schema()


@cases
def test_every_option_reaches_the_schema(
    schema: type[Options], plan: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    parameters = inspect.signature(plan).parameters.values()
    assert {one.name for one in parameters if one.kind is one.KEYWORD_ONLY} - NOT_ON_THE_WIRE == set(options)
    payload = sent(plan, *arguments, **options)
    parsed, told = parse_options(schema, payload), json.loads(payload)

    assert len(told) == len(options) + ("size" in options)  # which becomes width and height
    assert parsed.model_dump(mode="json", exclude_unset=True) == told


@pytest.mark.parametrize(("name", "schema"), [("ASR_OPTIONS", AsrOptions), ("ALIGN_OPTIONS", AlignerOptions)])
def test_options_of_the_aligned_transcript(name: str, schema: type[Options]) -> None:
    assert parse_options(schema, sent(chains.aligned_transcript, b"", name=name)) == schema()
    parse_options(schema, sent(chains.aligned_transcript, b"", name=name, **HEARD, timestamps="char"))


def test_aspect_ratios_reach_the_schema() -> None:
    for aspect in get_args(Aspect):
        assert parse_options(ImageOptions, sent(image.generate, "a ring", size=aspect)).aspect == aspect


def test_options_of_the_spoken_image() -> None:
    assert parse_options(ImageOptions, sent(chains.spoken_image, b"", name="IMAGE_OPTIONS")) == ImageOptions()
