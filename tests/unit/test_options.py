"""OPTIONS: what is wrong is named, with its value and what is allowed."""

import base64

import pytest

from qwen_wire.errors import InvalidRequest
from qwen_wire.options import (
    AlignerOptions,
    AsrOptions,
    CaptionOptions,
    ChartOptions,
    ImageOptions,
    Options,
    TtsOptions,
    parse_options,
    parse_text,
)

SCHEMAS = [AsrOptions, AlignerOptions, CaptionOptions, TtsOptions, ImageOptions, ChartOptions]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_empty_object_gives_the_defaults(schema):
    assert parse_options(schema, b"{}") == schema()


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("payload", [b"", b"[]", b"3", b"{", b'{"a": }', b"\xff\xfe", b"null"])
def test_what_is_no_object_is_refused(schema, payload):
    with pytest.raises(InvalidRequest, match="not a JSON object"):
        parse_options(schema, payload)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_unknown_key_is_named_with_the_known_ones(schema):
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.colour is unknown; allowed: input_encoding"):
        parse_options(schema, b'{"colour": "red"}')


@pytest.mark.parametrize(
    ("schema", "payload", "message"),
    [
        (ImageOptions, b'{"steps": 0}', r"OPTIONS\.steps is 0.*greater than or equal to 1"),
        (ImageOptions, b'{"steps": "4"}', r'OPTIONS\.steps is "4".*integer'),
        (ImageOptions, b'{"width": -64}', r"OPTIONS\.width is -64"),
        (ImageOptions, b'{"height": 20000}', r"OPTIONS\.height is 20000.*less than or equal to 16383"),
        (ImageOptions, b'{"n": 0}', r"OPTIONS\.n is 0.*greater than or equal to 1"),
        (ImageOptions, b'{"aspect": "2:1"}', r"OPTIONS\.aspect is .2:1.*'1:1', '4:3'"),
        (
            ImageOptions,
            b'{"aspect": "1:1", "width": 64}',
            r"OPTIONS\.aspect is '1:1', but OPTIONS\.width or OPTIONS\.height",
        ),
        (ImageOptions, b'{"strength": 0}', r"OPTIONS\.strength is 0.*greater than 0"),
        (ImageOptions, b'{"preset": "instant"}', r"OPTIONS\.preset is .instant.*'fast', 'balanced' or 'exact'"),
        (ImageOptions, b'{"lora": "../ink"}', r"OPTIONS\.lora is"),
        (ImageOptions, b'{"quality": 80}', r"OPTIONS\.quality is 80, but OPTIONS\.format is 'png'"),
        (ImageOptions, b'{"format": "webp", "quality": 0}', r"OPTIONS\.quality is 0"),
        (TtsOptions, b'{"temperature": 9}', r"OPTIONS\.temperature is 9"),
        (TtsOptions, b'{"seed": 1.5}', r"OPTIONS\.seed"),
        (AsrOptions, b'{"max_new_tokens": 0}', r"OPTIONS\.max_new_tokens"),
        (AsrOptions, b'{"language": 5}', r"OPTIONS\.language"),
        (AsrOptions, b'{"return": "doc"}', r"OPTIONS\.return is .doc.*'srt' or 'vtt'"),
        (AsrOptions, b'{"return_format": "srt"}', r"OPTIONS\.return_format is unknown; allowed: .*vad, return, max"),
        (AsrOptions, b'{"return": "srt", "timestamps": "none"}', r"OPTIONS\.return is 'srt'.*timestamps is 'none'"),
        (AsrOptions, b'{"audio_format": "pcm_s16le"}', r"OPTIONS\.sample_rate_hz is missing"),
        (AlignerOptions, b'{"audio_format": "pcm_f32le"}', r"OPTIONS\.sample_rate_hz is missing"),
        (AsrOptions, b'{"sample_rate_hz": 16000}', r"OPTIONS\.sample_rate_hz is 16000.*a file states its own"),
        (AsrOptions, b'{"num_channels": 2}', r"OPTIONS\.num_channels 2, but a file states its own"),
        (AsrOptions, b'{"temperature": 2.5}', r"OPTIONS\.temperature is 2\.5"),
        (AlignerOptions, b'{"timestamps": "segment"}', r"OPTIONS\.timestamps is .segment.*'word' or 'char'"),
        (CaptionOptions, b'{"audio_format": "auto"}', r"OPTIONS\.audio_format is .auto"),
        (Options, b'{"input_encoding": "hex"}', r"OPTIONS\.input_encoding is .hex.*'raw' or 'base64'"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(schema, payload, message):
    with pytest.raises(InvalidRequest, match=message):
        parse_options(schema, payload)


def test_base64_goes_both_ways():
    options = parse_options(Options, b'{"input_encoding": "base64", "output_encoding": "base64"}')
    assert options.decode(options.encode(b"\x00\xff"), "AUDIO") == b"\x00\xff"
    with pytest.raises(InvalidRequest, match="AUDIO is not base64"):
        options.decode(b"???", "AUDIO")


def test_base64_of_far_too_much_is_not_decoded():
    options = parse_options(Options, b'{"input_encoding": "base64"}')
    assert options.decode(b"AAAA\n" * 3, "AUDIO", max_bytes=9) == bytes(9)
    with pytest.raises(InvalidRequest, match="AUDIO has 20 bytes of base64; the limit is 9 bytes decoded"):
        options.decode(b"****\n" * 4, "AUDIO", max_bytes=9)


def test_text_that_is_no_utf8_is_refused():
    with pytest.raises(InvalidRequest, match="TEXT is not UTF-8"):
        parse_text(b"caf\xe9", "TEXT")


PAYLOAD = bytes(range(256)) * 3 + b"\xfb\xff"
STANDARD = base64.b64encode(PAYLOAD)
ACCEPTED = {
    "as it should be": STANDARD,
    "lines of 76": base64.encodebytes(PAYLOAD),
    "lines as Windows ends them": base64.encodebytes(PAYLOAD).replace(b"\n", b"\r\n"),
    "spaces and tabs around": b" \t" + STANDARD + b"\n\n",
    "for URLs": base64.urlsafe_b64encode(PAYLOAD),
    "for URLs, no padding": base64.urlsafe_b64encode(PAYLOAD).rstrip(b"="),
    "no padding": STANDARD.rstrip(b"="),
    "padding on a line of its own": STANDARD.rstrip(b"=") + b"\n=",
    "data URI": b"data:image/png;base64," + STANDARD,
    "data URI with parameters": b"DATA:audio/wav; rate=16000;Base64," + base64.encodebytes(PAYLOAD),
    "data URI without a type": b"data:;base64," + STANDARD.rstrip(b"="),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_base64_as_people_write_it(case):
    options = parse_options(Options, b'{"input_encoding": "base64"}')
    assert options.decode(ACCEPTED[case], "AUDIO") == PAYLOAD


def test_base64_of_any_length_and_alphabet():
    options = parse_options(Options, b'{"input_encoding": "base64"}')
    for length in range(12):
        payload = b"\xfb\xef\xbe"[: length % 3 + 1] * 4 + bytes(length)
        for text in (base64.b64encode(payload), base64.urlsafe_b64encode(payload)):
            for sent in (text, text.rstrip(b"=")):
                assert options.decode(sent, "AUDIO") == payload


@pytest.mark.parametrize(
    "text",
    [
        b"RIFF\x00\x01WAVE",
        b"UklG*kFW",
        b"UklGR",
        b"U",
        b"=",
        b"Uk=lG",
        b"UklG=",
        b"UklGRg=",
        b"UklGRg===",
        b"UklGRg====",
        b"U\x00klG",
        "UklGé".encode(),
        b'"UklG"',
        b"data:audio/wav;base64",
        b"data:audio/wav;base64,UklG,UklG",
        b"data:" + b"x" * 1000 + b";base64,UklG",
        b"data:audio/wav,RIFF",
    ],
)
def test_what_is_no_base64_is_refused(text):
    options = parse_options(Options, b'{"input_encoding": "base64"}')
    with pytest.raises(InvalidRequest, match=r"^AUDIO is (not base64|a data URI without base64)") as refusal:
        options.decode(text, "AUDIO")
    assert len(str(refusal.value)) < 250


def test_the_middle_of_large_base64_is_looked_at():
    options = parse_options(Options, b'{"input_encoding": "base64"}')
    text = base64.b64encode(bytes(12_000_000))
    assert options.decode(b"data:x/y;base64," + text, "AUDIO") == bytes(12_000_000)
    with pytest.raises(InvalidRequest, match="AUDIO is not base64"):
        options.decode(text[:8_000_000] + b"!" + text[8_000_001:], "AUDIO")
