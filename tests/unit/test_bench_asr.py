"""The benchmarks of speech recognition: from times to figures, without a server."""

from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch

from perf.asr import baseline, live, results
from perf.asr.baseline import Official
from perf.asr.clips import Clip, write_clips
from perf.asr.engine_load import LoadResult, run_load
from perf.asr.live import LiveLoad, long_metrics, streams_metric
from perf.asr.long import LongRound, long_recording_metrics, write_recording
from perf.asr.rounds import Round
from perf.asr.transcriptions import TranscriptionTimes
from perf.gpu import bench_asr
from perf.gpu.asr_checkpoint import DEMO, asr_config, asr_shapes, write_checkpoint
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import AsrRequest
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.loop import EngineLoop
from qwen_wire.errors import QwenError
from tests.recorder import run

CLIPS = [Clip(Path("a.wav"), 10.0), Clip(Path("b.wav"), 20.0)]


def transcriptions(sent_s: float, complete_s: float, duration_s: float, text: str = "one") -> TranscriptionTimes:
    return TranscriptionTimes(sent_s, complete_s, duration_s, text)


ROUND = Round(
    official=[Official(1.0, ["one"]), Official(2.0, [" other"])],
    batches=[Official(2.0, ["one", "other"])],
    alone=[transcriptions(0.0, 0.5, 10.0), transcriptions(0.5, 1.0, 20.0, "another")],
    together=[transcriptions(10.0, 10.2, 10.0), transcriptions(10.0, 10.3, 20.0)],
    short_alone=[transcriptions(0.0, 0.02, 1.0)],
    short_beside=[transcriptions(0.0, 0.09, 1.0)],
    first_tokens=[transcriptions(0.0, 0.06, 30.0)],
)


def test_recordings_are_compared_in_seconds_of_sound_a_second():
    together, batch, alone, _ = results.metrics([ROUND], CLIPS)
    assert together.value == pytest.approx((30 / 0.3) / (30 / 3.0))
    assert batch.value == pytest.approx((30 / 0.3) / (30 / 2.0))
    assert alone.value == pytest.approx((30 / 1.0) / (30 / 3.0))
    assert alone.detail["other_texts"] == 1


def test_a_short_clip_may_find_one_step_under_way():
    metric = results.short_clips([ROUND])
    assert metric.value == pytest.approx((90 - 60) / 20)
    assert metric.detail["with_the_step"] == pytest.approx(4.5)
    assert metric.met


def test_every_metric_has_its_name_and_goal():
    named = {metric.name: str(metric.goal) for metric in results.metrics([ROUND], CLIPS)}
    assert named == {
        "throughput_vs_sequential_c16": "≥ 6",
        "throughput_vs_static_batch_c16": "≥ 1.5",
        "speed_vs_sequential_c1": "≥ 2",
        "short_clip_p95_vs_alone": "≤ 2",
    }


class FakeWorker:
    """Takes a second a job, half a second with two threads."""

    def __init__(self) -> None:
        self.jobs: list[dict] = []

    def ask(self, job):
        self.jobs.append(job)
        return {"elapsed_s": 1.0 / job["num_threads"], "texts": ["one"] * len(job["clips"])}


def test_a_baseline_gets_its_better_number_of_threads_and_batches_in_order(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    worker = FakeWorker()
    clips = [Clip(Path(f"{index}.wav"), 1.0) for index in range(20)]
    threads = baseline.choose_threads(worker, clips)
    assert (threads.sequential, threads.batch) == (2, 2)
    worker.jobs.clear()
    assert baseline.total_s(baseline.in_batches(worker, clips, 2)) == 1.0
    assert [job["clips"] for job in worker.jobs] == [
        [str(clip.file) for clip in part] for part in (clips[:16], clips[16:])
    ]


def test_clips_have_the_lengths_asked_for(tmp_path):
    clips = write_clips(tmp_path, [0.5, 3.0])
    assert [clip.duration_s for clip in clips] == [0.5, 3.0]
    assert all(clip.file.stat().st_size == 44 + 32000 * clip.duration_s for clip in clips)


def test_live_streams_count_where_captions_come_in_time():
    loads = [LiveLoad(4, [0.1] * 20), LiveLoad(8, [0.2] * 20), LiveLoad(12, [0.1] * 10 + [0.9] * 10)]
    metric = streams_metric([loads], [0.1])
    assert metric.value == pytest.approx(8 / 5)
    assert metric.detail["p95_ms"][12] == 900


def test_the_naive_way_writes_all_down_with_each_chunk(tmp_path):
    (clip,) = write_clips(tmp_path, [2.0])
    worker = FakeWorker()
    assert live.naive_cost_s(worker, clip, tmp_path, num_threads=1) == 1.0
    assert len(worker.jobs) == 4


def test_a_long_session_is_flat_where_its_last_minute_costs_what_its_second_did():
    cost, memory = long_metrics([(0.0, 100.0), (9.0, 150.0), (15.0, 151.0), (21.0, 152.0)])
    assert cost.value == pytest.approx(1.0)
    assert cost.detail["step_ms"]["min"] == pytest.approx(50.0)
    assert memory.value == pytest.approx(2.0)


@pytest.fixture(scope="module")
def engine() -> AsrEngine:
    torch.set_num_threads(1)
    return AsrEngine(AsrSettings(checkpoint=str(DEMO), max_batch=4, max_positions=512), capture=lambda run: run)


def test_a_load_is_run_to_the_end(engine):
    requests = [
        AsrRequest(np.random.default_rng(seed).normal(0, 0.1, 8000).astype(np.float32), vad=False) for seed in range(3)
    ]
    loop = EngineLoop(engine, max_queue=4, max_wait_s=60)
    load = run_load(loop, requests * 2, at_once=2)
    assert len(load.first_tokens_s) == 6
    assert load.audio_s == 3.0
    with pytest.raises(QwenError, match="full scale"):
        run_load(loop, [AsrRequest(np.full(8000, np.nan, np.float32))], at_once=1)
    loop.close(10)


def test_a_load_is_reported_as_in_the_technical_report():
    metric = LoadResult(4, audio_s=100.0, elapsed_s=2.0, first_tokens_s=[0.1, 0.3]).metric()
    assert metric.name == "audio_s_per_s_c4"
    assert metric.value == 50.0
    assert metric.detail["real_time_factor"] == 0.08
    assert metric.detail["first_token_ms"] == 200.0


def test_the_script_for_gpus_measures_what_it_is_for(engine):
    plan = bench_asr.Plan((1, 2), 1, clip_s=1.5, tokens=4)
    metrics = bench_asr.measure(engine, plan)
    assert [metric.name for metric in metrics] == ["first_token_ms_c1", "audio_s_per_s_c1", "audio_s_per_s_c2"]
    assert str(metrics[0].goal) == "≤ 60"


@pytest.mark.parametrize(("model", "billions"), [("0.6b", 0.78), ("1.7b", 2.04)])
def test_the_real_shapes_have_the_real_size(model, billions):
    assert sum(map(prod, asr_shapes(asr_config(model)).values())) / 1e9 == pytest.approx(billions, abs=0.02)


def test_random_weights_are_listened_with(tmp_path):
    config = asr_config("0.6b")
    config["audio_config"] |= {"d_model": 64, "encoder_layers": 1, "encoder_ffn_dim": 64, "encoder_attention_heads": 2}
    config["audio_config"] |= {"downsample_hidden_size": 8, "output_dim": 64}
    config["text_config"] |= {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 32}
    write_checkpoint(tmp_path / "random", config, dtype=torch.float32, device="cpu")
    engine = AsrEngine(AsrSettings(checkpoint=str(tmp_path / "random"), max_batch=2, max_positions=256))
    assert engine.checkpoint.weights.unused() == []
    (sink,) = run(engine, AsrRequest(np.ones(8000, np.float32), max_new_tokens=5, vad=False))
    assert sink.outcome() == "length"


def test_a_long_recording_is_compared_with_the_sum_of_its_pieces(tmp_path):
    (clip,) = write_clips(tmp_path, [3.0])
    whole, *pieces = write_recording(tmp_path, [clip], minutes=1)
    assert whole.duration_s == 60
    assert 50 < sum(piece.duration_s for piece in pieces) <= 60
    memories_mib = (400.0, 480.0, 500.0, 501.5, 503.0)
    rounds = [LongRound(2.5, 10.0, memory_mib) for memory_mib in memories_mib]
    cost, memory = long_recording_metrics(rounds, whole, len(pieces))
    assert (cost.value, memory.value) == (0.25, 3.0)
    assert cost.met
    assert memory.met
