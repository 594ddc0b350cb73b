"""Graphs of models that the caller makes: `client.chains.run`."""

import html
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from PIL import Image

from qwen_client.audio import audio_bytes
from qwen_client.chains.events import announcing, read_stage
from qwen_client.chains.files import suffix_of
from qwen_client.chains.results import chain_failed
from qwen_client.chains.run_folder import Kept, keep, read_kept, record_json
from qwen_client.chains.shortfalls import of_stages
from qwen_client.documents.folder import Folder
from qwen_client.jobs import Ending, StreamJob
from qwen_client.messages import options_json
from qwen_client.pictures import picture_bytes
from qwen_client.short_repr import ShortRepr
from qwen_client.shortfalls import Shortfall
from qwen_client.texts import json_bytes
from qwen_wire.chains import StageEvent, StageResult
from qwen_wire.errors import Cancelled, InvalidRequest
from qwen_wire.messages import Timings
from qwen_wire.options import KeptResult, WorkflowOptions
from qwen_wire.workflows import NodeRecord, ResultKey, WorkflowEnd, place_key

Workflow: TypeAlias = Mapping[str, Any] | str | os.PathLike[str]
"""A workflow as its JSON says it (docs/chains.md), or a `.yaml` or `.json` file that holds it."""

OnEvent: TypeAlias = Callable[[StageEvent], object]


@dataclass(frozen=True, repr=False)
class WorkflowResult(ShortRepr):
    """What a workflow made: its `outputs`, with files as bytes, and what became of its nodes.

    `record` says for each node what became of it; `results` is all that the nodes made, the outputs among it; `seeds`
    are the inputs of that type, of which the server chose those that were left out. `shortfalls`: what of the results
    was cut, damaged, missing or left out.
    """

    outputs: Mapping[str, Any]
    record: Mapping[str, NodeRecord]
    results: tuple[StageResult, ...]
    trace_id: str
    timings: Timings
    request_id: str
    shortfalls: tuple[Shortfall, ...] = ()
    seeds: Mapping[str, int] = field(default_factory=dict)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write each output that there is, and `record.json`, into a folder; returns the files.

        They are named by their output and what they are: picture.png, or pictures-1.png, …, text.txt, data.json.
        """
        files = Folder(folder)
        for name, value in self.outputs.items():
            if value is not None:
                _save(files, name, value)
        files.json("record.json", record_json(self.record))
        return files.finish()

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{_shown(value)}</td></tr>" for name, value in self.outputs.items()
        )
        return f"<table>{rows}</table>"

    def keep(self, folder: str | os.PathLike[str]) -> None:
        """Write all that the nodes made into a folder, for `run(..., resume=folder)`."""
        keep(folder, Kept(self.record, self.seeds, self.results))


def _shown(value: Any) -> str:
    """Texts and JSON; files by what they are and their size."""
    if isinstance(value, bytes):
        return f"{suffix_of(value)[1:]}, {len(value):,} bytes"
    if isinstance(value, list):
        return "<br>".join(map(_shown, value))
    return html.escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def run(
    workflow: Workflow,
    inputs: Mapping[str, Any] | None = None,
    *,
    on_event: OnEvent | None = None,
    resume: WorkflowResult | str | os.PathLike[str] | None = None,
    deadline_s: float | None = None,
) -> StreamJob[StageEvent, WorkflowResult]:
    """Run a graph of models on the server, side by side where it can be.

        workflow = {
            "inputs": {"audio": {"type": "bytes"}},
            "nodes": {
                "heard": {"model": "qwen3_asr", "inputs": {"AUDIO": "$inputs.audio"}},
                "picture": {"model": "qwen_image", "inputs": {"PROMPT": "$heard.TEXT"}},
            },
            "outputs": {"text": "$heard.TEXT", "picture": "$picture.IMAGE"},
        }
        made = client.chains.run(workflow, {"audio": "request.wav"}, on_event=print)
        made.outputs["text"], made.save("out/")

    `inputs`: by name; files as paths, bytes, binary files, arrays with their rate or PIL images. `on_event` is called
    with each event while it runs. `resume`: the result of an earlier run, such as `error.result` of a `ChainFailed`, or
    the folder that it was kept in; what it made is not made again, where it would be the same. `deadline_s`: seconds
    for the whole; None: the server's. `stream` takes the same and gives the events. Returns a `WorkflowResult`.
    """
    graph = read_workflow(workflow)
    payloads: list[bytes] = []
    given = _inputs_json(graph, inputs or {}, payloads)
    kept = None if resume is None else _earlier(resume)
    earlier = () if kept is None else kept.results
    options = options_json(
        WorkflowOptions, inputs=given, deadline_s=deadline_s, resume=kept and _resume_json(kept, payloads)
    )
    tensors = {"WORKFLOW": json_bytes(graph, "workflow"), "OPTIONS": options}
    return StreamJob(
        "workflow",
        {**tensors, "PAYLOAD": tuple(payloads)} if payloads else tensors,
        announcing(read_stage, on_event),
        lambda events, ending: _collect(events, ending, earlier),
    )


def read_workflow(workflow: Workflow) -> Mapping[str, Any]:
    """The graph itself. Raises `InvalidRequest` where a file holds none."""
    if isinstance(workflow, Mapping):
        return workflow
    try:
        read = yaml.safe_load(Path(workflow).read_text(encoding="utf-8"))  # JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{workflow} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(read, dict):
        raise InvalidRequest(f"{workflow} is not a workflow, such as {{nodes: {{said: {{model: qwen3_tts, ...}}}}}}")
    return read


def _earlier(resume: WorkflowResult | str | os.PathLike[str]) -> Kept:
    """What is known of the run to go on from."""
    if isinstance(resume, WorkflowResult):
        return Kept(resume.record, resume.seeds, resume.results)
    return read_kept(resume)


def _inputs_json(graph: Mapping[str, Any], inputs: Mapping[str, Any], payloads: list[bytes]) -> dict[str, Any]:
    """Inputs as JSON, files behind `payloads`."""
    declared = graph.get("inputs", {})
    files = {name for name, one in declared.items() if isinstance(one, Mapping) and one.get("type") == "bytes"}
    return {name: _input_json(value, payloads) if name in files else value for name, value in inputs.items()}


def _input_json(value: Any, payloads: list[bytes]) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [_input_json(one, payloads) for one in value]
    payloads.append(picture_bytes(value) if isinstance(value, Image.Image) else audio_bytes(value))
    return {"payload": len(payloads) - 1}


def _resume_json(kept: Kept, payloads: list[bytes]) -> dict[str, Any]:
    """The earlier run as `Resume` has it, files behind `payloads`."""
    results = [_result_json(result, payloads) for result in kept.results]
    return {"record": record_json(kept.record), "seeds": dict(kept.seeds), "results": results}


def _result_json(result: StageResult, payloads: list[bytes]) -> dict[str, Any]:
    kept = KeptResult(stage=result.stage, output=result.output, item=result.item, value=result.value)
    if result.payload:
        payloads.append(result.payload)
        kept = kept.model_copy(update={"payload": len(payloads) - 1})
    return kept.model_dump(exclude_defaults=True)


def _collect(events: Sequence[StageEvent], ending: Ending, earlier: Sequence[StageResult]) -> WorkflowResult:
    if ending.finish_reason == "cancelled":
        raise Cancelled("the server cancelled the workflow", request_id=ending.request_id)
    new = [event for event in events if isinstance(event, StageResult)]
    made = {(one.stage, one.output, one.item): one for one in [*earlier, *new]}
    end = ending.read(WorkflowEnd)
    result = WorkflowResult(
        outputs={name: _with_files(value, made) for name, value in end.outputs.items()},
        record=end.record,
        seeds=end.seeds,
        results=tuple(made.values()),
        trace_id=end.trace_id,
        timings=ending.timings,
        request_id=ending.request_id,
        shortfalls=of_stages([*earlier, *events]),
    )
    if end.error is not None:
        raise chain_failed(end.error, ending.request_id, result)
    return result


def _with_files(value: Any, made: Mapping[ResultKey, StageResult]) -> Any:
    """An output with the files that it refers to."""
    if (key := place_key(value)) is not None:
        return made[key].payload
    if isinstance(value, list):
        return [_with_files(item, made) for item in value]
    if isinstance(value, dict):
        return {name: _with_files(part, made) for name, part in value.items()}
    return value


def _save(files: Folder, name: str, value: Any) -> None:
    if isinstance(value, list) and any(isinstance(one, bytes) for one in value):
        for number, one in enumerate(value, 1):
            if one is not None:
                _save(files, f"{name}-{number}", one)
    elif isinstance(value, bytes):
        files.file(name + suffix_of(value)).write_bytes(value)
    elif isinstance(value, str):
        files.text(f"{name}.txt", value + "\n")
    else:
        files.json(f"{name}.json", value)
