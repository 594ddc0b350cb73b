"""Workflows that the tests run on a real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tritonclient.grpc import service_pb2

from qwen_client import Client
from qwen_client.chains.events import read_stage
from qwen_client.jobs import StreamJob, only_event
from qwen_client.stream import Stream
from qwen_wire.chains import StageEvent

CHART = {"type": "bar", "categories": ["Monday"], "series": [{"name": "Anna", "values": [3]}]}
DRAWN = {"model": "chart_image", "inputs": {"CHART": CHART}}
TEXT_STREAM = {"model": "qwen3_tts", "inputs": {"TEXT": "Good morning, everyone. The meeting starts at two. "}}


def open_ended(name: str, **more: Any) -> dict[str, Any]:
    """Speech that waits for more text, without end."""
    return {**TEXT_STREAM, "options": {"text_stream": name}, **more}


def nested(workflow: dict[str, Any], depth: int) -> dict[str, Any]:
    """The workflow within `depth` others; its outputs come out."""
    for _ in range(depth):
        inner = {"model": "workflow", "inputs": {"WORKFLOW": "$inputs.inner"}}
        outputs = {name: f"$inner.{name}" for name in workflow["outputs"]}
        given = {"type": "json", "default": workflow}
        workflow = {"inputs": {"inner": given}, "nodes": {"inner": inner}, "outputs": outputs}
    return workflow


def stream(client: Client, workflow: dict[str, Any], **options: Any) -> Stream[StageEvent]:
    """The events of a run, to be left early."""
    tensors = {"WORKFLOW": json.dumps(workflow).encode(), "OPTIONS": json.dumps(options).encode()}
    return client._transport.open(StreamJob("workflow", tensors, read_stage, lambda events, ending: events))


def until_started(events: Iterator[StageEvent], *stages: str) -> None:
    """Read on until all `stages` have given a sign of life."""
    left = set(stages)
    while left:
        event = next(events)
        if type(event).__name__ == "StageProgress":
            left.discard(event.stage)


def token_of(events: Iterator[StageEvent], stage: str) -> str:
    """That of a text stream, which its stage tells first."""
    told = (event.event for event in events if type(event).__name__ == "StageProgress" and event.stage == stage)
    token: str = next(told)["token"]
    return token


def add_text(client: Client, name: str, token: str, text: str) -> None:
    """The last of a text stream that a workflow has opened."""
    options = {"action": "add_text", "text_stream": name, "token": token, "text_complete": True}
    tensors = {"TEXT": text.encode(), "OPTIONS": json.dumps(options).encode()}
    client._transport.run(StreamJob("qwen3_tts", tensors, lambda answer: answer, only_event))


def bytes_tensor(name: str, items: list[bytes]) -> service_pb2.ModelInferRequest.InferInputTensor:
    contents = service_pb2.InferTensorContents(bytes_contents=items)
    return service_pb2.ModelInferRequest.InferInputTensor(
        name=name, datatype="BYTES", shape=[1, len(items)], contents=contents
    )


def write_profile(folder: Path) -> Path:
    """A small server whose speech model has two places, and whose chains have few."""
    file = folder / "chains.toml"
    file.write_text(
        '[qwen3_tts]\ncheckpoint = "demo/checkpoints/tts"\nmax_batch = 2\nmax_wait_s = 1.0\ntext_timeout_s = 600.0\n'
        "[chart_image]\n[chains]\nmax_runs = 4\nmax_depth = 3\n"
    )
    return file
