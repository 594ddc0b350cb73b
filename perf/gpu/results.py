"""From times and differences on a GPU to metrics."""

from collections.abc import Mapping, Sequence

import numpy as np

from perf.gpu.listeners import Playback
from perf.metrics import Goal, Metric, spread

FRAME_STEP_GOALS_MS = {1: 8.0, 64: 14.0}  # by batch
FIRST_AUDIO_GOALS_MS = {1: 25.0, 32: 60.0}  # by listeners
STREAMS_GOAL = 128.0
MOST_DIFFERENT_CODES = 0.01  # another kernel may round a tie of bfloat16 the other way


def frame_step(batch: int, graphed_ms: Sequence[float], eager_ms: Sequence[float]) -> Metric:
    """Predictor and talker, until the codes are on the host."""
    figures = spread(graphed_ms)
    goal_ms = FRAME_STEP_GOALS_MS.get(batch)
    detail = {**figures, "repetitions": len(graphed_ms), "without_graphs_ms": spread(eager_ms)}
    return Metric(
        f"frame_step_ms_b{batch}", figures["median"], "ms", Goal(goal_ms, at_most=True) if goal_ms else None, detail
    )


def agreement(batch: int, apart: Sequence[tuple[float, float]]) -> Metric:
    """The share of codes that differ with and without graphs, of the sampling that differs most."""
    codes, hidden = (max(values) for values in zip(*apart, strict=True))
    detail = {"hidden_apart": round(hidden, 6)}
    return Metric(f"graphs_differ_b{batch}", codes, "share of codes", Goal(MOST_DIFFERENT_CODES, at_most=True), detail)


def first_audio(num_listeners: int, heard: Sequence[Playback], percentile: int) -> Metric:
    times_ms = [1000 * one.until_first_audio_s for one in heard]
    goal_ms = FIRST_AUDIO_GOALS_MS.get(num_listeners)
    return Metric(
        f"first_audio_p{percentile}_ms_c{num_listeners}",
        float(np.percentile(times_ms, percentile)),
        "ms",
        Goal(goal_ms, at_most=True) if goal_ms else None,
        {**spread(times_ms), "repetitions": len(times_ms)},
    )


def realtime_streams(playbacks: Mapping[int, Sequence[Playback]]) -> Metric:
    """The largest number of listeners without an underrun."""
    underruns_s = {size: max(one.underrun_s for one in heard) for size, heard in playbacks.items()}
    fluent = [size for size, underrun_s in underruns_s.items() if underrun_s == 0]
    first_audio_ms = {size: round(first_audio(size, heard, 95).value or 0, 1) for size, heard in playbacks.items()}
    detail = {"worst_underrun_s": underruns_s, "first_audio_p95_ms": first_audio_ms}
    return Metric("realtime_streams", float(max(fluent, default=0)), "streams", Goal(STREAMS_GOAL), detail)
