"""Writes the tables of docs/wire-protocol.md, and docs/schemas, from the types: python -m scripts.wire_page

A table stands between two comments, which name it: `<!-- made by make docs: NAME -->` and `<!-- end -->`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from qwen_engine.chains.workflow.chain import graphs_beside
from qwen_engine.chains.workflow.signatures import chain_wire
from qwen_wire import answers, chains, pictures, speech, transcripts, voice_chat, workflows
from qwen_wire.charts import CHARTS, ChartBase
from qwen_wire.messages import EndEvent, json_schema
from qwen_wire.options import (
    AudioOptions,
    ChainOptions,
    Options,
    PictureOptions,
    StreamOptions,
    VoiceChatOptions,
    WorkflowOptions,
)
from qwen_wire.tensors import CHAINS, ENSEMBLES, MODELS, RELAYS, SCHEMAS, ModelWire, Tensor
from scripts.limits_page import bounds, shown, table

HOME = Path(__file__).resolve().parents[1]
PAGE = HOME / "docs" / "wire-protocol.md"
FOLDER = HOME / "docs" / "schemas"
SECTION = re.compile(r"(<!-- made by make docs: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

SHARED: Mapping[str, type[Options]] = {
    "all": Options,
    "models that stream": StreamOptions,
    "`qwen3_asr`, `qwen3_aligner`, `voice_chat`": AudioOptions,
    "`qwen_image`, `chart_image`": PictureOptions,
}
OWN: Mapping[str, type[Options]] = {
    **{f"`{model}`": schema for model, schema in SCHEMAS.items()},
    "`voice_chat`": VoiceChatOptions,
    "`workflow`, other graphs": ChainOptions,
    "`workflow`": WorkflowOptions,
}
RESULTS = {
    "qwen3_asr": transcripts.Transcript,
    "qwen3_aligner": transcripts.Alignment,
    "qwen3_vl": answers.PictureAnswer,
    "chart_image": answers.ChartResult,
}
EVENTS: Iterable[tuple[str, str, type[Any]]] = (
    ("qwen3_asr_stream", "", transcripts.Caption),
    ("qwen3_tts", "`AUDIO`", speech.AudioEvent),
    ("qwen3_tts", "", speech.TextStreamOpened),
    ("qwen3_tts", "", speech.TextAdded),
    ("qwen3_tts", "", speech.VoiceAdded),
    ("qwen3_tts", "", speech.VoiceRemoved),
    ("qwen3_tts", "", speech.VoiceList),
    ("qwen3_tts", "", speech.SpeechEnd),
    ("qwen3_chat", "`text_output`", answers.ChatPiece),
    ("qwen3_chat", "", answers.ChatEnd),
    ("qwen_image", "", pictures.Queued),
    ("qwen_image", "`IMAGE`", pictures.ProgressEvent),
    ("qwen_image", "`IMAGE`, `TEXT`", pictures.PictureEvent),
    ("qwen_image", "", pictures.StyleList),
    ("qwen_image", "", EndEvent),
    ("chains", "", chains.StageStarted),
    ("chains", "`PAYLOAD`", chains.StageProgress),
    ("chains", "`PAYLOAD`", chains.StageResult),
    ("chains", "", chains.StageSkipped),
    ("chains", "", chains.StageFailed),
    ("chains", "", chains.ChainEnd),
    ("chains", "", chains.CancelEnd),
    ("graphs", "", workflows.WorkflowEnd),
    ("voice_chat", "", voice_chat.SessionStarted),
    ("voice_chat", "`PAYLOAD`", voice_chat.SpeechProgress),
    ("voice_chat", "`PAYLOAD`", voice_chat.VoiceChatEnd),
)
GROUPS = ("chains", "graphs")  # of models
PARTS = (speech.Voice, pictures.Style, chains.ErrorInfo)


def main() -> None:
    PAGE.write_text(wire_page())
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.json"):
        file.unlink()
    for name, schema in schemas().items():
        (FOLDER / name).write_text(schema)


def wire_page() -> str:
    """The whole page, its tables anew."""
    return SECTION.sub(lambda match: f"{match[1]}{_section(match[2])}\n{match[3]}", PAGE.read_text())


def schemas() -> dict[str, str]:
    """The JSON Schemas of all that is JSON on the wire, by the name of their file."""
    options = {f"options.{name}.json": schema.model_json_schema(by_alias=True) for name, schema in _schemas()}
    kinds = {kind for _, _, kind in EVENTS} | set(RESULTS.values()) | set(PARTS)
    messages = {f"{kind.__name__}.json": json_schema(kind) for kind in kinds}
    charts = {f"chart.{name}.json": schema.model_json_schema(by_alias=True) for name, schema in CHARTS.items()}
    return {name: json.dumps(schema, indent=1) + "\n" for name, schema in sorted((options | messages | charts).items())}


def _schemas() -> Iterator[tuple[str, type[Options]]]:
    yield from SCHEMAS.items()
    yield from (("voice_chat", VoiceChatOptions), ("workflow", WorkflowOptions), ("chain", ChainOptions))


def _section(name: str) -> str:
    tables: Mapping[str, Iterator[str]] = {
        "tensors": table(("model", "kind", "inputs", "outputs"), _tensors()),
        "options": table(("model", "key", "default", "allowed", "meaning"), _options()),
        "charts": table(("type", "key", "allowed", "meaning"), _charts()),
        "results": table(("model", "RESULT", "keys"), _results()),
        "events": table(("model", "type", "payload", "further keys", "meaning"), _events()),
    }
    return "\n".join(tables[name])


def _tensors() -> Iterator[tuple[str, ...]]:
    graphs = graphs_beside(HOME / "model_repository" / "workflow")
    named = [chain_wire(name, graph) for name, graph in graphs.items()]
    for wire in chain(MODELS, RELAYS, ENSEMBLES, CHAINS, named):
        listed = {tensor.name for tensor in wire.inputs[:2]}
        inputs = [_tensor(one) for one in wire.inputs if one.type == "BYTES" or one.name in listed]
        outputs = [f"`{name}`" for name in (*wire.outputs, *wire.counts)]
        yield f"`{wire.name}`", _kind(wire), ", ".join(inputs), ", ".join(outputs)


def _kind(wire: ModelWire) -> str:
    what = "ensemble" if wire in ENSEMBLES else "" if wire in (*MODELS, *RELAYS) else "chain"
    if wire.sequences:
        return "unary, one call a chunk"
    return f"{'streaming' if wire.decoupled else 'unary'} {what}".strip()


def _tensor(tensor: Tensor) -> str:
    return f"`{tensor.name}`" + "?" * tensor.optional + " (several)" * tensor.several


def _options() -> Iterator[tuple[str, ...]]:
    told: set[tuple[str, str]] = set()
    for model, schema in {**SHARED, **OWN}.items():
        for row in _fields(schema):
            if (row[0], row[-1]) not in told:
                yield model, *row
            if model in SHARED or schema is ChainOptions:
                told.add((row[0], row[-1]))


def _fields(schema: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    form = schema.model_json_schema(by_alias=True)
    for name, field in form["properties"].items():
        default = json.dumps(field["default"], ensure_ascii=False) if "default" in field else ""
        default = default if default == "null" else f"`{default}`" * bool(default)
        yield f"`{name}`", default, bounds(field, form.get("$defs", {})), field.get("description", "")


def _charts() -> Iterator[tuple[str, ...]]:
    """The keys of all charts, then those of each, its parts as `tasks[].name`."""
    common = ChartBase.model_json_schema(by_alias=True)
    yield from (("all", *row) for row in _chart_keys(common, {}, ""))
    for name, schema in CHARTS.items():
        form = schema.model_json_schema(by_alias=True)
        own = {key: field for key, field in form["properties"].items() if key not in {*common["properties"], "type"}}
        yield from (
            (f'`"{name}"`', *row) for row in _chart_keys({**form, "properties": own}, form.get("$defs", {}), "")
        )


def _chart_keys(form: Mapping[str, Any], parts: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, ...]]:
    for name, field in form["properties"].items():
        optional = "?" * (name not in form.get("required", ()))
        yield f"`{prefix}{name}`{optional}", bounds(field, parts), field.get("description", "")
        if reference := field.get("items", {}).get("$ref"):
            yield from _chart_keys(parts[reference.rsplit("/", 1)[1]], parts, f"{prefix}{name}[].")


def _results() -> Iterator[tuple[str, ...]]:
    for model, kind in RESULTS.items():
        yield f"`{model}`", _meaning(kind), _keys(kind)


def _events() -> Iterator[tuple[str, ...]]:
    for model, payload, kind in EVENTS:
        types = json_schema(kind)["properties"]["type"]
        named = types.get("enum", [types.get("const")])
        yield model if model in GROUPS else f"`{model}`", _listed(named), payload, _keys(kind), _meaning(kind)


def _keys(kind: type[Any]) -> str:
    """Those that are always told first, then, with `?`, those that may be left out."""
    form = json_schema(kind)
    left_out = {one.name for one in fields(kind) if getattr(one.default, "exclude_if", None)} - {"timings"}
    names = [name for name in form["properties"] if name not in ("index", "type", "time_s")]
    return ", ".join(f"`{name}`" + "?" * (name in left_out) for name in sorted(names, key=left_out.__contains__))


def _meaning(kind: type[Any]) -> str:
    return " ".join((kind.__doc__ or "").split())


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(f"`{shown(one).strip('`')}`" for one in values)


if __name__ == "__main__":
    main()
