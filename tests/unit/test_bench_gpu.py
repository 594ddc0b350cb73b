"""The benchmark for GPUs, as far as a CPU can try it."""

import json
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from perf.gpu import bench_tts, listeners
from perf.gpu.listeners import Playback, run_listeners
from perf.gpu.random_checkpoint import write_checkpoint
from perf.gpu.results import agreement, first_audio, frame_step, realtime_streams
from perf.gpu.shapes import CODEC, codec_shapes, tts_config, tts_shapes
from qwen_engine.loop import EngineLoop
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import AudioChunk, Speak
from qwen_engine.tts.settings import TtsSettings
from qwen_server.home import project_home
from qwen_wire.errors import QwenError
from tests.recorder import run

DEMO = project_home() / "demo" / "checkpoints" / "tts"


def config_of(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())


def tensors_of(folder: Path) -> dict[str, tuple[int, ...]]:
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def test_shapes_are_those_of_a_checkpoint():
    assert tts_shapes(config_of(DEMO)) == tensors_of(DEMO)
    shapes, real = codec_shapes(config_of(DEMO / "speech_tokenizer")), tensors_of(DEMO / "speech_tokenizer")
    assert shapes == {name: real.get(name) for name in shapes}


@pytest.mark.parametrize(("model", "billions"), [("1.7b", 1.92), ("0.6b", 0.91)])
def test_the_real_shapes_have_the_real_size(model, billions):
    assert sum(map(prod, tts_shapes(tts_config(model)).values())) / 1e9 == pytest.approx(billions, abs=0.01)
    assert sum(map(prod, codec_shapes(CODEC).values())) / 1e6 == pytest.approx(114, abs=1)


@pytest.fixture(scope="module")
def random_engine(tmp_path_factory) -> TtsEngine:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoints") / "random"
    codec = config_of(DEMO / "speech_tokenizer")
    write_checkpoint(folder, config_of(DEMO), codec, dtype=torch.float32, device="cpu")
    return TtsEngine(TtsSettings(checkpoint=str(folder), max_batch=2, max_positions=256))


def test_random_weights_are_heard(random_engine):
    (sink,) = run(random_engine, Speak("Good morning.", max_audio_s=1.0))
    assert sink.outcome() in ("stop", "length")
    heard = np.concatenate([event.samples for event in sink.events if isinstance(event, AudioChunk)])
    assert 0.01 < np.abs(heard).max() <= 1.0
    assert np.isfinite(heard).all()


def test_listeners_follow_one_another(random_engine, monkeypatch):
    monkeypatch.setattr("perf.gpu.listeners.STAGGER_S", 0.01)
    loop = EngineLoop(random_engine, max_queue=4, max_wait_s=60)
    heard = run_listeners(loop, [Speak("Good morning.", max_audio_s=0.4)], num_listeners=2, num_playbacks=5)
    assert len(heard) == 5
    assert all(0 < one.until_first_audio_s < 60 and one.audio_s <= 0.4 for one in heard)
    with pytest.raises(QwenError, match="empty"):
        run_listeners(loop, [Speak(" ", max_audio_s=0.4)], num_listeners=1, num_playbacks=1)
    loop.close(10)


def test_the_script_measures_what_it_is_for(monkeypatch):
    monkeypatch.setattr(listeners, "STAGGER_S", 0.1)
    settings = TtsSettings(checkpoint=str(DEMO), max_batch=2, max_positions=256)
    trial = bench_tts.Plan(
        2, 256, (1, 2), steps=2, alone=1, concurrency=2, concurrencies=(2,), played_each=1, audio_s=0.4
    )
    metrics = bench_tts.measure(bench_tts.engine_with_graphs(settings), settings, trial)
    assert [metric.name for metric in metrics] == [
        *("frame_step_ms_b1", "graphs_differ_b1", "frame_step_ms_b2", "graphs_differ_b2"),
        *("first_audio_p50_ms_c1", "first_audio_p95_ms_c2", "realtime_streams"),
    ]
    for metric in metrics:
        if metric.name.startswith("graphs_differ"):
            assert metric.met
            assert metric.detail["hidden_apart"] < 1e-4


def heard(first_s: float, underrun_s: float = 0.0) -> Playback:
    return Playback(0.0, first_s, underrun_s, 8.0)


def test_goals_belong_to_batch_sizes_and_concurrencies():
    assert str(frame_step(1, [7.0, 9.0], [30.0]).goal) == "≤ 8"
    assert str(frame_step(64, [7.0], [30.0]).goal) == "≤ 14"
    assert frame_step(8, [7.0], [30.0]).goal is None
    assert str(first_audio(1, [heard(0.02)], 50).goal) == "≤ 25"
    assert first_audio(32, [heard(0.02), heard(0.1)], 95).met is False


def test_listeners_count_where_there_is_no_underrun():
    playbacks = {64: [heard(0.1)] * 2, 128: [heard(0.1)] * 2, 192: [heard(0.1), heard(0.1, underrun_s=0.03)]}
    metric = realtime_streams(playbacks)
    assert metric.value == 128
    assert metric.met
    assert metric.detail["worst_underrun_s"][192] == 0.03
    assert realtime_streams({64: [heard(0.1, underrun_s=1.0)]}).value == 0


def test_graphs_that_say_something_else_miss_their_goal():
    assert agreement(8, [(0.0, 1e-6), (0.02, 0.5)]).met is False
    assert agreement(8, [(0.0, 1e-6), (0.0, 1e-3)]).detail == {"hidden_apart": 1e-3}
