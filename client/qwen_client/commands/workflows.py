"""`qwen run`."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from qwen_client.chains.run_folder import record_json
from qwen_client.chains.workflows import WorkflowResult, read_workflow
from qwen_client.client import Client
from qwen_client.commands.chain_view import CHAIN_TIMEOUT_S, Out, end_as, failed_folder, print_all
from qwen_client.commands.options import AsJson
from qwen_client.commands.server_calls import calls_server
from qwen_client.commands.standard_streams import STANDARD, read_standard_input
from qwen_client.console import print_json, require_folder
from qwen_client.stages import StageView
from qwen_wire.errors import ChainFailed, InvalidRequest

KEPT = "kept"  # within the folder of a run that failed: what it made
Inputs = Annotated[
    list[str] | None, typer.Option("--input", "-i", help="NAME=VALUE; for an input that is a file, its path.")
]


@calls_server(CHAIN_TIMEOUT_S)
def run(
    client: Client,
    workflow: Annotated[Path, typer.Argument(help="A .yaml or .json file with nodes and outputs.")],
    inputs: Inputs = None,
    out: Out = Path("run"),
    deadline_s: Annotated[
        float | None, typer.Option("--deadline", help="Time limit of the run in seconds. Default: set by the server.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the failed run whose record is beside the output folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the graph of models in WORKFLOW and write its outputs and a record of the run into a folder.

    If a stage fails, the results of the others are written to a folder beside it, whose name ends in
    -failed, and the exit code is 1; with --resume the run continues from there.
    """
    require_folder(out)
    graph = _read_workflow(workflow)
    values = _read_inputs(inputs or [], graph.get("inputs", {}))
    failed = failed_folder(out)
    kept = failed / KEPT
    try:
        with StageView() as view:
            result = client.chains.run(
                graph, values, on_event=view.show, resume=kept if resume else None, deadline_s=deadline_s
            )
    except ChainFailed as failure:
        _save(failure.result, failed, as_json)
        failure.result.keep(kept)
        raise
    if resume:
        shutil.rmtree(failed)
    _save(result, out, as_json)
    end_as(result.shortfalls)


def _read_workflow(file: Path) -> Mapping[str, Any]:
    if str(file) != STANDARD:
        return read_workflow(file)
    try:
        graph = yaml.safe_load(read_standard_input())
    except yaml.YAMLError as error:
        raise InvalidRequest(f"standard input is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(graph, Mapping):
        raise InvalidRequest("standard input holds no workflow: give nodes and outputs")
    return graph


def _read_inputs(pairs: list[str], declared: Any) -> dict[str, Any]:
    """The inputs by name; one that is named several times is a list."""
    given: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InvalidRequest(f"--input {pair}: give NAME=VALUE")
        asked = declared.get(name, {}) if isinstance(declared, dict) else {}
        value = _value(name, text, asked.get("type"))
        if asked.get("several"):
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    return given


def _value(name: str, text: str, kind: str | None) -> Any:
    """Files and texts as they are (the path of a file), all else as YAML writes it: 3, true, [1, 2]."""
    if kind in ("bytes", "text"):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidRequest(f"--input {name}={text}: {' '.join(str(error).split())}") from error


def _save(made: WorkflowResult, out: Path, as_json: bool) -> None:
    files = [str(file) for file in made.save(out)]
    print_all(made.shortfalls)
    if as_json:
        shortfalls = [asdict(one) for one in made.shortfalls]
        about = {"record": record_json(made.record), "trace_id": made.trace_id, "request_id": made.request_id}
        print_json({"files": files, "shortfalls": shortfalls, "seeds": dict(made.seeds), **about})
    else:
        typer.echo("\n".join(files))
