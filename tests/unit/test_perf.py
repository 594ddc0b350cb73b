"""What perf_analyzer is given, and what is made of what it gives back."""

import io
import itertools
import json
import statistics
from pathlib import Path

import pytest
import soundfile

from perf import perf_analyzer
from perf.export import Request, Run, read_export
from perf.inputs import binary, decode, input_file, load, payloads
from perf.perf_analyzer import PerfAnalyzerError, Workload
from perf.quick import NUM_REQUESTS, WORKLOADS
from perf.report import Result, json_lines
from qwen_server.admin_key import AdminKey
from qwen_server.errors import ServerError
from qwen_server.home import work_folder
from qwen_server.private_files import private_folder
from qwen_wire.options import parse_options
from qwen_wire.tensors import MODELS
from tests.proxies import DEAD_PROXIES

EXPORT = Path(__file__).parent / "data" / "perf_analyzer_export.json"  # of release 2.51.0, four short streams
MS = 1_000_000

LOADED = [model for model in MODELS if not model.sequences]
models = pytest.mark.parametrize("model", LOADED, ids=lambda model: model.name)


def run_of(*requests_ms: tuple[int, ...]) -> Run:
    """A run of requests given as (sent, response, response...)."""
    times_ns = [[time_ms * MS for time_ms in times] for times in requests_ms]
    return Run(2, tuple(Request(sent, tuple(responses)) for sent, *responses in times_ns))


def test_a_real_export_is_read():
    with pytest.raises(UnicodeDecodeError):  # what makes it worth a test
        EXPORT.read_text(encoding="utf-8")
    run = read_export(EXPORT)
    assert run.concurrency == 2
    assert [len(request.responses_ns) for request in run.requests] == [4] * 4
    for request in run.requests:
        assert 0 < request.first_ms < request.complete_ms
        assert list(request.responses_ns) == sorted(request.responses_ns)


def test_throughput_counts_from_the_first_sent_to_the_last_complete():
    assert run_of((0, 300, 400), (100, 350, 900), (400, 600, 2000)).throughput_per_s == 1.5


def test_times_are_of_the_first_and_of_the_last_response():
    metrics = run_of((0, 100, 400), (0, 200, 500), (0, 300, 600)).metrics()
    assert metrics["first_response_p50_ms"] == 200
    assert metrics["complete_p50_ms"] == 500
    assert metrics["complete_p90_ms"] == 580
    assert metrics["complete_p99_ms"] == 598


def test_one_response_a_request_is_no_stream():
    assert list(run_of((0, 100), (0, 200)).metrics()) == [
        "throughput_per_s",
        "complete_p50_ms",
        "complete_p90_ms",
        "complete_p99_ms",
    ]


def test_json_lines_tell_the_median_and_the_extremes_of_the_repetitions():
    runs = tuple(run_of((0, 10, time_ms)) for time_ms in (100, 400, 200))
    facts = {"qwen3_tts": {"checkpoint": "demo/checkpoints/tts"}}
    lines = [json.loads(line) for line in json_lines([Result("qwen3_tts", 2, runs)], facts)]
    assert len(lines) == 7
    assert lines[0] == {
        "bench": "perf_quick",
        "metric": "qwen3_tts_throughput_per_s_c2",
        "value": 5.0,
        "unit": "requests/s",
        "goal": None,
        "met": None,
        "detail": {"repetitions": 3, "min": 2.5, "max": 10.0, "num_requests": 1, **facts["qwen3_tts"]},
    }
    assert {line["unit"] for line in lines[1:]} == {"ms"}
    assert lines[-1]["value"] == statistics.median([100, 400, 200])


def test_every_model_is_under_load_as_it_answers():
    assert {(workload.model, workload.streaming) for workload in WORKLOADS} == {
        (model.name, model.decoupled) for model in LOADED
    }


@models
def test_requests_have_the_tensors_of_their_model(model):
    required = {tensor.name for tensor in model.inputs if not tensor.optional}
    for entry in load(model.name):
        assert required <= set(entry) <= {tensor.name for tensor in model.inputs}


@models
def test_requests_have_options_that_the_server_accepts(model):
    for options in payloads(model.name, "OPTIONS"):
        parse_options(model.options, options)


def test_recordings_are_short_audio_files():
    for recording in payloads("qwen3_asr", "AUDIO"):
        assert len(recording) < 60_000
        assert 0.5 < soundfile.info(io.BytesIO(recording)).duration < 5


def test_a_binary_item_keeps_its_bytes():
    item = bytes(range(256))
    assert decode(binary(item)) == item


def fake_binary(folder: Path, script: str) -> Path:
    """A perf_analyzer that writes its arguments, one a line, to `folder`/arguments and runs `script`."""
    binary_file = folder / "perf_analyzer"
    binary_file.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/arguments\n{script}\n')
    binary_file.chmod(0o755)
    return binary_file


@pytest.fixture
def key() -> AdminKey:
    """Of the server on port 1, as `perf_analyzer` finds it."""
    key = AdminKey()
    key.write(private_folder(work_folder(1)))
    return key


def test_a_run_gives_the_requests_asked_for(tmp_path, monkeypatch, key):
    write_export = f'for file; do :; done; cp {EXPORT} "$file"'  # the last argument
    monkeypatch.setattr(perf_analyzer, "BINARY", fake_binary(tmp_path, write_export))
    run = perf_analyzer.run(Workload("qwen3_tts", True), "127.0.0.1:1", concurrency=2, num_requests=4)
    assert run == read_export(EXPORT)
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert "--streaming" in arguments
    options = dict(itertools.pairwise(arguments))
    assert options["-m"] == "qwen3_tts"
    assert options["-u"] == "127.0.0.1:1"
    assert options["-H"] == f"triton-grpc-protocol-qwen-admin-key:{key.secret}"
    assert options["--input-data"] == str(input_file("qwen3_tts"))
    assert options["--concurrency-range"] == "2"
    assert options["--request-count"] == "4"


def test_a_server_on_this_machine_is_reached_by_no_proxy(tmp_path, monkeypatch, key):
    print_environment = f'env > {tmp_path}/environment; for file; do :; done; cp {EXPORT} "$file"'
    monkeypatch.setattr(perf_analyzer, "BINARY", fake_binary(tmp_path, print_environment))
    for name, proxy in DEAD_PROXIES.items():
        monkeypatch.setenv(name, proxy)
    perf_analyzer.run(Workload("qwen3_tts", True), "127.0.0.1:1", concurrency=2, num_requests=4)
    names = [line.partition("=")[0] for line in (tmp_path / "environment").read_text().splitlines()]
    assert "PATH" in names
    assert [name for name in names if name.lower().endswith("_proxy")] == []


def test_without_the_server_s_key_the_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(perf_analyzer, "BINARY", fake_binary(tmp_path, "exit 0"))
    with pytest.raises(ServerError, match="qwen/2/admin-key"):
        perf_analyzer.run(Workload("qwen3_tts", True), "127.0.0.1:2", concurrency=2, num_requests=4)


@pytest.mark.usefixtures("key")
def test_a_failed_run_says_what_perf_analyzer_says(tmp_path, monkeypatch):
    complaint = "echo 'Request concurrency: 2'; echo 'Thread [1] had error: OPTIONS.x is unknown' >&2; exit 99"
    monkeypatch.setattr(perf_analyzer, "BINARY", fake_binary(tmp_path, complaint))
    with pytest.raises(PerfAnalyzerError, match=r"^Thread \[1\] had error: OPTIONS.x is unknown$"):
        perf_analyzer.run(Workload("qwen3_asr", False), "127.0.0.1:1", concurrency=2, num_requests=4)
    assert "--streaming" not in (tmp_path / "arguments").read_text()


@pytest.mark.usefixtures("key")
def test_a_run_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(perf_analyzer, "BINARY", fake_binary(tmp_path, "exec sleep 600"))
    monkeypatch.setattr(perf_analyzer, "TIMEOUT_S", 0.1)
    with pytest.raises(PerfAnalyzerError, match="did not end"):
        perf_analyzer.run(Workload("qwen3_asr", False), "127.0.0.1:1", concurrency=1, num_requests=1)


def test_perf_analyzer_gets_enough_requests():
    """It refuses fewer requests than it keeps under way."""
    assert all(num_requests >= concurrency for concurrency, num_requests in NUM_REQUESTS.items())
