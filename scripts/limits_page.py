"""docs/limits.md, made from the code: python -m scripts.limits_page writes it, and a test compares it.

Limits are what schemas of requests, settings of profiles and named constants say. A new constant must be given a place
here: in FIXED, with its meaning, or in INTERNAL, where it bounds nothing that a caller sends.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from qwen_engine.settings import ChainSettings, ModelSettings
from qwen_server.profiles import sections
from qwen_wire.charts import AnyChart
from qwen_wire.options import Options, VoiceChatOptions, WorkflowOptions
from qwen_wire.tensors import SCHEMAS

HOME = Path(__file__).resolve().parents[1]
PAGE = HOME / "docs" / "limits.md"
CODE = ("wire", "media", "engine")

OPTIONS: Mapping[str, type[BaseModel]] = {**SCHEMAS, "voice_chat": VoiceChatOptions, "workflow": WorkflowOptions}
FIXED: Mapping[str, str] = {
    "media/qwen_media/container.py:MAX_TOLD_S": "duration that a file's header may claim",
    "media/qwen_media/limits.py:MAX_CHANNELS": "channels of a sound file",
    "media/qwen_media/limits.py:SAMPLES_PER_S": "samples of all channels per second of the longest recording",
    "media/qwen_media/picture.py:MAX_RATIO": "aspect ratio of a picture",
    "media/qwen_media/png.py:MAX_CHUNKS": "chunks of a PNG file",
    "media/qwen_media/png.py:MAX_TEXT_BYTES": "decompressed text of a PNG file; more is skipped",
    "media/qwen_media/pool.py:MAX_WAIT_S": "time that a file waits for a decoder",
    "engine/qwen_engine/aligner/words.py:MAX_MARKS": "combining marks on one character of TEXT",
    "engine/qwen_engine/chains/tasks/day_words.py:MAX_CHARS": "characters of a due date that are read",
    "engine/qwen_engine/chains/tasks/minutes.py:MAX_COMPARISONS": "comparisons of turns with words, in meeting minutes",
    "engine/qwen_engine/chains/tasks/minutes.py:MAX_CHARS": "characters of a name in charts of meeting minutes",
    "engine/qwen_engine/chains/workflow/references.py:MAX_PARTS": (
        "parts of a reference in a workflow, such as $node.OUTPUT.key"
    ),
    "engine/qwen_engine/chains/voice_chat/request.py:MAX_TEXT_CHARS": "characters of TEXT of voice_chat",
    "wire/qwen_wire/charts.py:MAX_BYTES": "size of CHART; it fits into a JPEG's metadata",
    "wire/qwen_wire/charts.py:MAX_TIME_S": "time of an event in a chart",
    "wire/qwen_wire/charts.py:MAX_SPAN_DAYS": "days from the first to the last date of a chart",
    "engine/qwen_engine/chat/grammar.py:MAX_CACHED": "cached JSON schemas",
    "engine/qwen_engine/chat/grammar_process.py:MAX_ADDED_BYTES": "memory to compile a JSON schema",
    "engine/qwen_engine/chat/grammar_process.py:COMPILE_CPU_S": "time to compile a JSON schema",
    "engine/qwen_engine/chat/grammar_process.py:STEP_CPU_S": "time for one token of an answer with a schema",
    "engine/qwen_engine/chat/grammar_process.py:ANSWER_CPU_S": "time for a whole answer with a schema",
    "wire/qwen_wire/options/base.py:MAX_OPTIONS_BYTES": "size of OPTIONS of a model or of voice_chat",
    "wire/qwen_wire/options/base.py:MAX_OPTIONS_VALUES": "values in OPTIONS, of all levels",
    "engine/qwen_engine/chat/request_reader.py:MAX_SCHEMA_CHARS": "characters of a JSON schema",
    "wire/qwen_wire/errors.py:MAX_MESSAGE_BYTES": "length of an error message",
    "engine/qwen_engine/image/prompts.py:MAX_TOKENS": "tokens of an image's prompt that any profile allows",
    "wire/qwen_wire/options/pictures.py:MAX_SIDE_PX": "pixels of a side of a generated picture",
    "wire/qwen_wire/json_text.py:MAX_BYTES": "size of a JSON document",
    "wire/qwen_wire/json_text.py:MAX_LEVELS": "levels of a JSON document",
    "wire/qwen_wire/json_text.py:MAX_VALUES": "values in a JSON document, of all levels",
    "wire/qwen_wire/json_text.py:MAX_PROBLEMS": "problems listed in an error message",
    "wire/qwen_wire/json_text.py:MAX_SHOWN_CHARS": "characters of a value quoted in an error message",
    "wire/qwen_wire/languages.py:MAX_CHARS": "characters of a language's name",
    "engine/qwen_engine/response_queue.py:MAX_UNSENT": "responses that wait for a slow reader",
}
INTERNAL = frozenset(
    {
        "engine/qwen_engine/aligner/engine.py:MAX_WORDS_PER_S",
        "engine/qwen_engine/asr/encoder.py:LONGEST_WAVE",
        "engine/qwen_engine/asr/line_width.py:MAX_COLUMNS",
        "engine/qwen_engine/asr/line_width.py:MAX_HANGING",
        "engine/qwen_engine/asr/pieces.py:MAX_PAUSE_BESIDE_SHORT_S",
        "engine/qwen_engine/asr/pieces.py:MAX_PAUSE_S",
        "engine/qwen_engine/asr/pieces.py:MAX_PIECE_S",
        "engine/qwen_engine/asr/vad/evidence.py:MAX_FLUX_DB",
        "engine/qwen_engine/asr/vad/evidence.py:MAX_SNR_DB",
        "engine/qwen_engine/text/clauses.py:MAX_PIECE_WEIGHT",
        "engine/qwen_engine/chains/workflow/references.py:MAX_SHOWN_CHARS",
        "engine/qwen_engine/chains/tasks/json_types.py:LONGEST_S",
        "engine/qwen_engine/chains/voice_chat/turn_pipeline.py:MAX_PENDING_PIECES",
        "engine/qwen_engine/charts/bars.py:MAX_BAR",
        "engine/qwen_engine/charts/bars.py:MOST_FRACTION",
        "engine/qwen_engine/charts/bars.py:MOST_ROOM",
        "engine/qwen_engine/charts/bars.py:MAX_UPRIGHT",
        "engine/qwen_engine/charts/concepts.py:MAX_BOX",
        "engine/qwen_engine/charts/concepts.py:MAX_BOX_GAP",
        "engine/qwen_engine/charts/concepts.py:MAX_LINES",
        "engine/qwen_engine/charts/gantt.py:MAX_LABELS",
        "engine/qwen_engine/charts/matrix.py:MAX_COLUMN",
        "engine/qwen_engine/charts/matrix.py:MAX_LABELS",
        "engine/qwen_engine/charts/matrix.py:MAX_UPRIGHT",
        "engine/qwen_engine/charts/timeline.py:MAX_CARD",
        "engine/qwen_engine/charts/timeline.py:MAX_LEVELS",
        "engine/qwen_engine/charts/timeline_rows.py:MAX_WHEN",
        "engine/qwen_engine/chat/grammar.py:MAX_PLACE_CHARS",
        "engine/qwen_engine/chat/grammar.py:MAX_REASON_CHARS",
        "engine/qwen_engine/chat/grammar_process.py:MAX_MESSAGE_BYTES",
        "engine/qwen_engine/image/denoising_state.py:MAX_DECODED_PIXELS",
        "engine/qwen_engine/image/engine.py:MAX_DECODED_TOGETHER",
        "engine/qwen_engine/image/fit_preview.py:MAX_SIDE_PX",
        "engine/qwen_engine/language_model.py:MAX_PADDED",
        "engine/qwen_engine/registry.py:MAX_NAME_CHARS",
        "engine/qwen_engine/tts/checkpoint.py:MAX_PRIMED",
        "engine/qwen_engine/tts/cloning.py:MAX_CACHED",
        "engine/qwen_engine/tts/engine.py:MAX_LISTED",
        "engine/qwen_engine/tts/graphs.py:MAX_CODEC_FRAMES",
        "engine/qwen_engine/text/sentences.py:LONGEST_NUMBER",
        "engine/qwen_engine/tts/codec_worker.py:MAX_GROUP_FRAMES",
        "engine/qwen_engine/tts/codec_worker.py:MAX_PENDING_FRAMES",
        "engine/qwen_engine/tts/speech.py:LONGEST_PERIOD",
        "media/qwen_media/amr.py:MAX_SILENT_BYTES",
        "media/qwen_media/channel.py:MAX_DESCRIPTORS",
        "media/qwen_media/channel.py:MAX_MESSAGE_BYTES",
        "media/qwen_media/clock.py:MAX_START_S",
        "media/qwen_media/flac.py:MAX_HEADER_BYTES",
        "media/qwen_media/flac.py:MAX_START_S",
        "media/qwen_media/matroska.py:MAX_HEAD_BYTES",
        "media/qwen_media/matroska.py:MAX_ID_BYTES",
        "media/qwen_media/matroska.py:MAX_STEP",
        "media/qwen_media/mp4.py:MAX_FIRST_BYTES",
        "media/qwen_media/ogg.py:MAX_HEAD_BYTES",
        "media/qwen_media/ogg.py:MAX_STEP",
        "media/qwen_media/png.py:MAX_KEYWORD_BYTES",
        "media/qwen_media/scanning.py:MAX_PATTERN_BYTES",
        "media/qwen_media/sound.py:MAX_ROUNDING",
        "media/qwen_media/worker.py:MAX_OPEN_FILES",
        "media/qwen_media/worker.py:MAX_REASON_CHARS",
    }
)
PREFIXES = ("MAX_", "MOST_", "LONGEST_")
UNITS = {"_BYTES": "bytes", "_PER_S": "", "_CPU_S": "seconds of CPU", "_S": "seconds"}


def limits_page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def constants() -> dict[str, float]:
    """Every number of the code whose name says that it is a limit, by `file:NAME`."""
    return {
        f"{file.relative_to(HOME)}:{name}": value
        for folder in CODE
        for file in sorted((HOME / folder).rglob("*.py"))
        for name, value in _numbers(file)
    }


def _numbers(file: Path) -> Iterator[tuple[str, float]]:
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                value = eval(compile(ast.Expression(node.value), str(file), "eval"), {"__builtins__": {}})
            except (NameError, TypeError, AttributeError):
                continue  # made of other names
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield node.targets[0].id, value


def _lines() -> Iterator[str]:
    yield "# Limits"
    yield ""
    yield "Made from the code by `make docs`; a test compares them. Requests above a limit are refused with"
    yield "`INVALID_ARGUMENT`, or `UNAVAILABLE` where there may be room later, before any work on it begins."
    yield ""
    yield "## OPTIONS"
    yield ""
    yield "Options that are not in the table have no bounds, or those of the profile below."
    yield ""
    yield from table(("model", "key", "allowed"), _options())
    yield ""
    yield "## CHART"
    yield ""
    yield from table(("part", "key", "allowed"), _chart())
    yield ""
    yield "## Profiles"
    yield ""
    yield "Sections of a profile, and what counts where it says nothing. `qwen serve` refuses values out of range."
    yield ""
    yield from table(("section", "key", "default", "allowed", "meaning"), _settings())
    yield ""
    yield "## Fixed"
    yield ""
    yield from table(("limit", "value", "where"), _fixed())


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table, the first column told once for rows that follow each other."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    last = ""
    for first, *others in rows:
        yield "| " + " | ".join(["" if first == last else first, *others]) + " |"
        last = first


def _options() -> Iterator[tuple[str, ...]]:
    yield from _fields("all", Options, set())
    for model, schema in OPTIONS.items():
        yield from _fields(f"`{model}`", schema, set(Options.model_fields))


def _fields(model: str, schema: type[BaseModel], told: set[str]) -> Iterator[tuple[str, ...]]:
    form = schema.model_json_schema(by_alias=True)
    for name, field in form["properties"].items():
        if name not in told and (allowed := bounds(field, form.get("$defs", {}))):
            yield model, f"`{name}`", allowed


def _chart() -> Iterator[tuple[str, ...]]:
    parts = TypeAdapter(AnyChart).json_schema(by_alias=True)["$defs"]
    for part, schema in sorted(parts.items()):
        for name, field in schema.get("properties", {}).items():
            if allowed := bounds(field, parts):
                yield part, f"`{name}`", allowed


def _settings() -> Iterator[tuple[str, ...]]:
    yield from _section("all models", ModelSettings, set())
    common = set(_rows(ModelSettings))
    for section, schema in sections().items():
        of_chains = issubclass(schema, ChainSettings) and schema is not ChainSettings
        if of_chains:
            yield f"`[{section}]`", "", "", "", "as `[chains]`, and:"
        yield from _section(f"`[{section}]`", schema, common | set(_rows(ChainSettings) if of_chains else ()))


def _section(name: str, schema: type[BaseModel], told: set[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    yield from ((name, *row) for row in _rows(schema) if row not in told)


def _rows(schema: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    form = schema.model_json_schema()
    for name, field in form["properties"].items():
        if allowed := bounds(field, form.get("$defs", {})):
            yield f"`{name}`", shown(field.get("default")), allowed, field.get("description", "")


def _fixed() -> Iterator[tuple[str, ...]]:
    found = constants()
    for place, meaning in FIXED.items():
        file, name = place.split(":")
        unit = next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")
        yield meaning, f"{shown(found[place])} {unit}".strip(), f"`{file}`"


def bounds(field: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    """Ranges, lengths, patterns and choices of a field of a JSON schema, as text; empty where it has none."""
    if "$ref" in field:
        field = parts[field["$ref"].rsplit("/", 1)[1]] | field
    if "properties" in field:
        return ""
    told = [_range(field), _lengths(field), _choices(field)]
    if "items" in field and (each := bounds(field["items"], parts)):
        told.append(f"each {each}")
    told += [bounds(one, parts) for one in field.get("anyOf", ())]
    return ", ".join(one for one in told if one)


def _range(field: Mapping[str, Any]) -> str:
    low, above = field.get("minimum"), field.get("exclusiveMinimum")
    high, below = field.get("maximum"), field.get("exclusiveMaximum")
    start = shown(low) if low is not None else f"above {shown(above)}" if above is not None else ""
    end = shown(high) if high is not None else f"below {shown(below)}" if below is not None else ""
    if start and end:
        return f"{start} to {end}"
    if end:
        return f"up to {end}"
    return f"{start} or more" if low is not None else start


def _lengths(field: Mapping[str, Any]) -> str:
    told = []
    for kind, ending in (("characters", "Length"), ("items", "Items"), ("keys", "Properties")):
        least, most = f"min{ending}", f"max{ending}"
        if most in field:
            told.append(f"{shown(field.get(least, 0))} to {shown(field[most])} {kind}")
        elif field.get(least):
            told.append(f"{shown(field[least])} {kind} or more")
    return ", ".join(told)


def _choices(field: Mapping[str, Any]) -> str:
    return ", ".join(f"`{one}`" for one in field.get("enum", ()))


def shown(value: Any) -> str:
    """A value as a table has it."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 2**53:
        return f"2^{value.bit_length() - (value & (value - 1) == 0)}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,.10g}" if abs(value) >= 10_000 else f"{value:g}"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    PAGE.write_text(limits_page())
