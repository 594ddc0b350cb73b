"""The benchmark of speech synthesis: from times to figures, without a server."""

import sys
from collections.abc import Sequence

import pytest

from perf.arrivals import first_in_first_out_s, poisson_arrivals_s
from perf.baselines.worker import BaselineError, Worker
from perf.speech_requests import Spoken
from perf.tts import results
from perf.tts.baseline import NUM_TRIED, OfficialSpeech, choose_threads
from perf.tts.long_stream import (
    LongStream,
    Mark,
    codec_metrics,
    engine_metrics,
    long_settings,
    long_text,
    through_codec,
)
from perf.tts.rounds import Round
from perf.tts.texts import benchmark_texts
from qwen_engine.text.sentences import pieces
from qwen_engine.tts.settings import TtsSettings
from qwen_server.home import project_home

ECHO = "import sys\nprint('{}')\nfor line in sys.stdin: print(line.strip(), flush=True)"
DYING = "import sys\nprint('{}', flush=True)\nsys.stdin.readline()\nsys.exit('no voice of that name')"


def official(elapsed_s: float, *frames: int) -> OfficialSpeech:
    return OfficialSpeech(elapsed_s, [[[0]] * count for count in frames])


def spoken(sent_s: float, first_audio_s: float, complete_s: float, num_frames: int) -> Spoken:
    return Spoken(sent_s, first_audio_s, complete_s, num_frames, "stop")


ROUND = Round(
    official=[official(1.0, 25), official(2.0, 50)],
    official_batch=official(1.5, 25, 50),
    ours=[spoken(0.0, 0.1, 0.5, 25), spoken(0.5, 0.7, 1.0, 50)],
    together=[spoken(10.0, 10.1, 10.4, 25), spoken(10.0, 10.2, 10.5, 50)],
    order=[0, 1, 1],
    arrivals_s=[0.0, 0.5, 4.0],
    arriving=[spoken(20.0, 20.1, 21.0, 25), spoken(20.5, 20.6, 22.0, 50), spoken(24.0, 24.1, 25.0, 50)],
)


def test_one_stream_is_compared_in_frames_a_second():
    metric = results.frames_c1([ROUND])
    assert metric.value == pytest.approx((75 / 1.0) / (75 / 3.0))
    assert metric.met
    assert metric.detail["texts_of_other_length"] == 0


def test_all_at_once_are_compared_in_seconds_of_audio_a_second():
    assert results.throughput_vs_sequential([ROUND]).value == pytest.approx((75 / 0.5) / (75 / 3.0))
    metric = results.throughput_vs_static_batch([ROUND])
    assert metric.value == pytest.approx((75 / 0.5) / (75 / 1.5))
    assert metric.name == "throughput_vs_static_batch_c2"


def test_first_audio_is_compared_with_the_whole_of_a_four_second_sentence():
    metric = results.first_audio_vs_full_audio([ROUND])
    assert metric.value == pytest.approx(0.15 / 2.0)
    assert metric.detail["sentence_s"] == 4.0


def test_arrivals_are_compared_with_a_queue():
    metric = results.first_audio_under_arrivals([ROUND])
    assert metric.detail["theirs"]["max"] == pytest.approx(2450, rel=0.01)  # of 1.0, 2.5 and 2.0 s
    assert metric.detail["ours"]["max"] == pytest.approx(100)


def test_every_metric_has_its_name_and_goal():
    named = {metric.name: str(metric.goal) for metric in results.metrics([ROUND])}
    assert named == {
        "frames_vs_official_c1": "≥ 3",
        "throughput_vs_sequential_c2": "≥ 12",
        "throughput_vs_static_batch_c2": "≥ 1.5",
        "ttfa_vs_official_full_audio": "≤ 0.1",
        "ttfa_p95_vs_sequential_poisson": "≤ 0.1",
    }


def test_a_queue_serves_in_order_of_arrival():
    assert first_in_first_out_s([0.0, 1.0, 10.0], [3.0, 2.0, 1.0]) == [3.0, 4.0, 1.0]


def test_arrivals_come_at_the_rate_asked_for_and_as_the_seed_says():
    arrivals_s = poisson_arrivals_s(4000, rate_per_s=2.0, seed=1)
    assert arrivals_s == poisson_arrivals_s(4000, rate_per_s=2.0, seed=1)
    assert arrivals_s == sorted(arrivals_s)
    assert arrivals_s[-1] == pytest.approx(2000, rel=0.05)


def test_texts_are_of_different_lengths_and_held_out():
    texts = benchmark_texts(16)
    assert len(set(texts)) == 16
    assert max(len(text) for text in texts) > 3 * min(len(text) for text in texts)


def test_a_long_text_is_spoken_sentence_by_sentence():
    texts = benchmark_texts(16)
    settings = long_settings(TtsSettings(checkpoint="unused"), texts, minutes=10)
    text = long_text(texts, minutes=10)
    assert len(text) == settings.max_text_chars
    assert set(pieces(text, settings.max_piece_chars)) == set(texts) - {min(texts, key=len)}


def steady(minutes_s: Sequence[float], growth_mib: float = 0.0) -> LongStream:
    """A stream by what its minutes cost and how much memory each takes; the processor works half of the time."""
    marks = [Mark(0.0, 0.0, 400.0)]
    for minute_s in minutes_s:
        last = marks[-1]
        marks.append(Mark(last.at_s + minute_s, last.processor_s + minute_s / 2, last.resident_mib + growth_mib))
    return LongStream(marks)


def test_the_last_minute_is_compared_with_the_first():
    cost, memory = engine_metrics([steady([4.0, 9.0, 5.0], growth_mib=2.0)])
    assert cost.value == pytest.approx(1.25)
    assert not cost.met
    assert cost.detail["minutes_s"] == [4.0, 9.0, 5.0]
    assert cost.detail["by_processor_time"]["median"] == 1.25
    assert memory.value == pytest.approx(4.0)
    assert memory.met


def test_a_stream_that_ended_early_is_not_judged():
    metrics = [*engine_metrics([steady([4.0])]), *codec_metrics([steady([4.0])], 25)]
    assert [metric.value for metric in metrics] == [None] * 4
    assert "ended" in metrics[0].detail["why"]


def test_the_codec_streams_as_long_as_asked():
    settings = TtsSettings(checkpoint=str(project_home() / "demo/checkpoints/tts"))
    stream = through_codec(settings, [[1, 2, 3, 4, 5, 6, 7, 8]], minutes=1, chunk=250)
    assert len(stream.minutes_s) == 1
    assert 0 < stream.processor_minutes_s[0] <= stream.minutes_s[0] + 0.1
    assert stream.marks[0].resident_mib > 50


def test_a_worker_answers_line_by_line():
    with Worker([sys.executable, "-c", ECHO]) as worker:
        assert worker.ask({"texts": ["one"]}) == {"texts": ["one"]}
        assert worker.ask({"texts": ["two"]}) == {"texts": ["two"]}
    worker.close()


def test_a_worker_that_ends_says_why():
    with (
        Worker([sys.executable, "-c", DYING]) as worker,
        pytest.raises(BaselineError, match=r"status 1.*no voice of that name"),
    ):
        worker.ask({})


class SlowWithThreads(Worker):
    """Takes a second a text and thread, and for a batch a second in all."""

    def __init__(self) -> None:
        self.jobs: list[dict] = []

    def ask(self, job):
        self.jobs.append(job)
        texts, threads = job["texts"], job["num_threads"]
        return {"elapsed_s": threads * 1.0 if len(texts) == 1 else 1.0 / threads, "codes": [[[1]] for _ in texts]}


def test_each_baseline_gets_the_number_of_threads_it_is_faster_with(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    worker = SlowWithThreads()
    threads = choose_threads(worker, ["a", "b", "c", "d"])
    assert (threads.sequential, threads.batch) == (1, 2)
    assert threads.tried_s == {"sequential": {1: 3.0, 2: 6.0}, "static_batch": {1: 1.0, 2: 0.5}}
    assert sum(len(job["texts"]) == 1 for job in worker.jobs) == 2 * NUM_TRIED
