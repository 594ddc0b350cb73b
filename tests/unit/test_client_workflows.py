"""`client.chains.run` and `qwen run`, on a scripted server whose workflow model is the real one."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from client_scripts import SCRIPTS, encoded
from command_line import assert_fails_on_one_line, qwen
from fake_triton import FakeTriton, Payloads, Refusal
from PIL import Image

from qwen_client import AsyncClient, ChainFailed, Client, InvalidRequest
from qwen_engine.chains.calls import Trace
from qwen_engine.chains.workflow.chain import Workflows
from qwen_engine.messages import Inputs
from qwen_engine.settings import ChainSettings
from qwen_wire.chains import StageEvent, StageResult
from qwen_wire.errors import QwenError, Unavailable
from tests.scripted_calls import RecordedRun, ScriptedCalls

TIMINGS = {"queue_s": 0.0, "first_event_s": 0.1, "total_s": 0.2}
WORKFLOW = {
    "inputs": {
        "audio": {"type": "bytes"},
        "pictures": {"type": "bytes", "several": True, "optional": True},
        "colours": {"type": "json", "default": ["red", "blue"]},
    },
    "nodes": {
        "heard": {"model": "qwen3_asr", "inputs": {"AUDIO": "$inputs.audio"}},
        "drawn": {
            "model": "qwen_image",
            "foreach": "$inputs.colours",
            "inputs": {"PROMPT": "a $item ring of ${item}", "IMAGE": "$inputs.pictures"},
        },
        "said": {"model": "qwen3_tts", "inputs": {"TEXT": "$heard.TEXT"}},
    },
    "outputs": {
        "text": "$heard.TEXT",
        "drawn": "$drawn.IMAGE",
        "said": "$said.AUDIO",
        "told": {"language": "$heard.RESULT.language"},
    },
}


@pytest.fixture
def calls() -> ScriptedCalls:
    return ScriptedCalls(dict(SCRIPTS))


@pytest.fixture
def triton(calls: ScriptedCalls) -> Iterator[FakeTriton]:
    def workflow(inputs: Payloads) -> Iterator[Payloads]:
        tensors = {name: (given,) if isinstance(given, bytes) else given for name, given in inputs.items()}
        told = RecordedRun()
        workflows = Workflows(calls, ChainSettings(served=tuple(SCRIPTS)), {})
        run = workflows.run(Inputs({"PAYLOAD": (), **tensors}), Trace.read({}), told.emit)
        try:
            told.end = asyncio.run(run)
        except QwenError as error:
            raise Refusal(grpc.StatusCode[error.status], str(error)) from error
        ending = {**told.end.to_dict(), "timings": TIMINGS}
        for number, event in enumerate([*(event.to_dict() for event in told.events), ending]):
            payload = told.events[number].payload if number < len(told.events) else b""
            yield {"PAYLOAD": payload, "EVENT": json.dumps({**event, "index": number, "time_s": 0.1}).encode()}

    with FakeTriton({"workflow": workflow}) as server:
        yield server


def test_outputs_are_whole_and_events_are_told(client: Client) -> None:
    events: list[StageEvent] = []
    made = client.chains.run(WORKFLOW, {"audio": b"12345"}, on_event=events.append)

    assert made.outputs["text"] == "5 bytes"
    assert [data[:4] for data in made.outputs["drawn"]] == [b"\x89PNG"] * 2
    assert made.outputs["said"][:4] == b"RIFF"
    assert made.outputs["told"] == {"language": "English"}
    assert {record.state for record in made.record.values()} == {"done"}
    assert made.timings.total_s == TIMINGS["total_s"]
    assert {event.stage for event in events} == set(WORKFLOW["nodes"])
    assert [event for event in events if isinstance(event, StageResult)] == list(made.results)


def test_files_of_every_kind_are_sent(client: Client, calls: ScriptedCalls, tmp_path: Path) -> None:
    (tmp_path / "speech.wav").write_bytes(b"123")
    pictures = [Image.new("RGB", (8, 8)), encoded(4, 4)]
    made = client.chains.run(WORKFLOW, {"audio": tmp_path / "speech.wav", "pictures": pictures, "colours": ["green"]})

    assert made.outputs["text"] == "3 bytes"
    [drawn] = [call for call in calls.made if call.model == "qwen_image"]
    assert drawn.inputs["PROMPT"] == b"a $item ring of green"
    assert [data[:4] for data in drawn.inputs["IMAGE"]] == [b"\x89PNG"] * 2
    assert drawn.inputs["IMAGE"][1] == pictures[1]


def test_a_failure_keeps_what_was_made_and_another_run_goes_on(client: Client, calls: ScriptedCalls) -> None:
    calls.faults["qwen_image"] = [None, Unavailable("no room")]
    with pytest.raises(ChainFailed, match="stage 'drawn' failed: no room") as caught:
        client.chains.run(WORKFLOW, {"audio": b"12345"})
    assert caught.value.status == "UNAVAILABLE"
    failed = caught.value.result
    assert failed.outputs["text"] == "5 bytes"
    assert [data is not None for data in failed.outputs["drawn"]] == [True, False]

    calls.made.clear()
    made = client.chains.run(WORKFLOW, {"audio": b"12345"}, resume=failed)
    assert [call.model for call in calls.made] == ["qwen_image"]
    assert made.outputs["drawn"][0] == failed.outputs["drawn"][0]
    assert made.outputs == client.chains.run(WORKFLOW, {"audio": b"12345"}).outputs


def test_a_run_that_goes_on_keeps_its_random_seed(client: Client, calls: ScriptedCalls, tmp_path: Path) -> None:
    workflow = {
        "inputs": {"seed": {"type": "seed"}},
        "nodes": {
            number: {"model": "qwen_image", "inputs": {"PROMPT": number}, "options": {"seed": "$inputs.seed"}}
            for number in ("one", "two")
        },
    }
    calls.faults["qwen_image"] = [None, Unavailable("no room")]
    with pytest.raises(ChainFailed) as caught:
        client.chains.run(workflow)
    failed = caught.value.result
    failed.keep(tmp_path / "kept")
    for resume in (failed, tmp_path / "kept"):
        calls.made.clear()
        assert client.chains.run(workflow, resume=resume).seeds == failed.seeds
        assert [json.loads(call.inputs["OPTIONS"])["seed"] for call in calls.made] == [failed.seeds["seed"]]


def test_what_was_kept_in_a_folder_is_gone_on_from(client: Client, calls: ScriptedCalls, tmp_path: Path) -> None:
    calls.faults["qwen_image"] = [None, Unavailable("no room")]
    with pytest.raises(ChainFailed) as caught:
        client.chains.run(WORKFLOW, {"audio": b"12345"})
    caught.value.result.keep(tmp_path / "kept")
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".json", ".png", ".wav"}

    calls.made.clear()
    made = client.chains.run(WORKFLOW, {"audio": b"12345"}, resume=tmp_path / "kept")
    assert [call.model for call in calls.made] == ["qwen_image"]
    assert made.outputs == client.chains.run(WORKFLOW, {"audio": b"12345"}).outputs


def test_the_async_client_runs_workflows(triton: FakeTriton) -> None:
    async def run() -> Any:
        async with AsyncClient(triton.address) as client:
            return await client.chains.run(WORKFLOW, {"audio": b"12345"})

    assert asyncio.run(run()).outputs["text"] == "5 bytes"


@pytest.mark.parametrize(
    ("workflow", "inputs", "message"),
    [
        (WORKFLOW, {}, r"OPTIONS\.inputs\.audio is missing"),
        (WORKFLOW, {"audio": b"1", "noise": 3}, r"OPTIONS\.inputs\.noise is unknown"),
        (WORKFLOW, {"audio": b"1", "colours": {1, 2}}, "not JSON"),
        ({"nodes": {"said": {"model": "qwen4"}}}, {}, r"WORKFLOW\.nodes\.said\.model is 'qwen4', which is unknown"),
    ],
)
def test_mistakes_are_named(client: Client, workflow: Any, inputs: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        client.chains.run(workflow, inputs)


@pytest.fixture
def files(command_line: None) -> None:
    Path("workflow.yaml").write_text(yaml.safe_dump(WORKFLOW, sort_keys=False))
    Path("speech.wav").write_bytes(b"12345")


@pytest.mark.usefixtures("files")
def test_the_command_writes_outputs_and_a_record() -> None:
    done = qwen("run", "workflow.yaml", "-i", "audio=speech.wav", "-i", "colours=[red]", "--out", "made")

    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == [f"made/{name}" for name in WRITTEN]
    assert {path.name for path in Path("made").iterdir()} == {*WRITTEN, ".files.json"}
    assert Path("made/text.txt").read_text() == "5 bytes\n"
    assert json.loads(Path("made/record.json").read_text())["heard"]["state"] == "done"


WRITTEN = ["text.txt", "drawn-1.png", "said.wav", "told.json", "record.json"]


@pytest.mark.usefixtures("files")
def test_the_command_writes_what_there_is_where_a_stage_fails(calls: ScriptedCalls) -> None:
    calls.faults["qwen3_tts"] = [Unavailable("no room")]
    done = qwen("run", "workflow.yaml", "-i", "audio=speech.wav", "--out", "made")

    assert done.exit_code == 1
    assert "stage 'said' failed: no room (UNAVAILABLE)" in done.stderr
    assert not Path("made").exists()
    assert Path("made-failed/text.txt").read_text() == "5 bytes\n"


@pytest.mark.usefixtures("files")
def test_the_command_goes_on_from_where_it_failed(calls: ScriptedCalls) -> None:
    again = ["run", "workflow.yaml", "-i", "audio=speech.wav", "-i", "colours=[red]", "--out", "made", "--resume"]
    assert_fails_on_one_line(qwen(*again), "made-failed/kept: there is no run to go on from")
    calls.faults["qwen3_tts"] = [Unavailable("no room")]
    assert qwen(*again[:-1]).exit_code == 1

    calls.made.clear()
    done = qwen(*again)
    assert done.exit_code == 0, done.stderr
    assert [call.model for call in calls.made] == ["qwen3_tts"]
    assert not Path("made-failed").exists()
    assert {path.name for path in Path("made").iterdir()} == {*WRITTEN, ".files.json"}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "nowhere.yaml"),
        (["speech.wav"], "is not a workflow"),
        (["workflow.yaml", "-i", "audio"], "give NAME=VALUE"),
        (["workflow.yaml", "-i", "audio=nowhere.wav"], "nowhere.wav"),
        (["workflow.yaml", "-i", "audio=speech.wav", "-i", "colours=[red"], "colours"),
        (["workflow.yaml", "-i", "audio=speech.wav", "--out", "no/where/run"], "there is no folder no/where"),
    ],
)
def test_mistakes_of_the_command_line_are_one_line(arguments: list[str], message: str) -> None:
    assert_fails_on_one_line(qwen("run", *arguments), message)
