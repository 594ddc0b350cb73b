"""What the benchmarks share: their commands, and what they do round by round."""

import asyncio
import json

import pytest
import torch

from perf.baselines.threads import faster_threads
from perf.baselines.worker import BaselineError
from perf.gpu.script import Checkpoints, run
from perf.metrics import Metric
from perf.report import PROJECT
from perf.side_by_side import compare, repeat, served
from qwen_engine.asr.settings import AsrSettings
from qwen_server.errors import ServerError
from qwen_server.profiles import Profile

DEMO = PROJECT / "demo" / "checkpoints" / "asr"
METRIC = Metric("speed", 2.0, "ratio", None, {})


def test_rounds_are_told_their_number_one_after_another():
    async def next_round(number: int) -> int:
        return 10 * number

    assert asyncio.run(repeat(3, "A, ours", next_round)) == [0, 10, 20]


def test_a_profile_s_settings_name_a_folder_and_leave_out_what_is_not_measured():
    settings = AsrSettings(checkpoint="demo/checkpoints/asr", aligner_checkpoint="demo/checkpoints/aligner")
    profile = Profile({"qwen3_asr": settings})
    found = served(profile, "qwen3_asr", AsrSettings, aligner_checkpoint=None)
    assert (found.checkpoint, found.aligner_checkpoint) == (str(DEMO), None)
    with pytest.raises(ServerError, match="does not serve qwen3_asr"):
        served(Profile({}), "qwen3_asr", AsrSettings)


def test_each_baseline_keeps_the_number_of_threads_that_was_faster(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    threads = faster_threads(lambda count: float(count), lambda count: 8.0 / count)
    assert (threads.sequential, threads.batch) == (1, 4)
    assert threads.facts() == {
        "baseline_threads": {"sequential": 1, "static_batch": 4},
        "baseline_tried_s": {"sequential": {1: 1.0, 4: 4.0}, "static_batch": {1: 8.0, 4: 2.0}},
    }


def test_a_comparison_prints_a_line_a_metric(monkeypatch, capsys):
    async def bench(profile, amount):
        return [METRIC], {"amount": amount, "checkpoint": profile.models["qwen3_asr"].checkpoint}

    monkeypatch.setattr("sys.argv", ["bench", "--quick"])
    compare("asr", "About it.", bench, full="all", quick="little")
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["bench"], line["metric"], line["detail"]["amount"]) == ("asr", "speed", "little")


def test_a_comparison_that_cannot_begin_says_why(monkeypatch):
    async def bench(profile, amount):
        raise BaselineError("the baseline ended (status 1)")

    monkeypatch.setattr("sys.argv", ["bench"])
    with pytest.raises(SystemExit, match=r"error: the baseline ended \(status 1\)"):
        compare("asr", "About it.", bench, full=1, quick=0)


def run_for_gpu(monkeypatch, capsys, *arguments: str) -> tuple[list, dict]:
    """What was written and where the script's bench was sent; the line that it printed."""
    calls: list = []

    def write(folder, model, dtype, device):
        folder.mkdir()
        calls.append((model, dtype, device))

    def bench(folder, arguments):
        assert folder.is_dir()
        calls.append(arguments.settings(folder, max_batch=2))
        return [METRIC]

    monkeypatch.setattr("sys.argv", ["bench", "--device", "cpu", "--dtype", "float32", *arguments])
    run("asr_gpu", "About it.", Checkpoints(DEMO, ["0.6b"], write), bench)
    return calls, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_script_for_gpus_makes_the_checkpoint_of_its_model(monkeypatch, capsys):
    (written, settings), line = run_for_gpu(monkeypatch, capsys)
    assert written == ("0.6b", torch.float32, "cpu")
    assert settings["checkpoint"].endswith("random-0.6b")
    assert (settings["device"], settings["dtype"], settings["max_batch"]) == ("cpu", "float32", 2)
    assert line["detail"]["checkpoint"] == "random weights, shapes of 0.6b"


def test_a_script_for_gpus_is_tried_with_the_demo_checkpoint(monkeypatch, capsys):
    (settings,), line = run_for_gpu(monkeypatch, capsys, "--model", "demo")
    assert settings["checkpoint"] == str(DEMO)
    assert line["detail"]["checkpoint"] == "demo/checkpoints/asr"
