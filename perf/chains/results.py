"""From rounds to metrics."""

import statistics
from collections.abc import Callable, Sequence

import numpy as np

from perf.chains.overhead import NUM_STAGES
from perf.chains.rounds import Round
from perf.chains.voice_turns import Turn
from perf.metrics import Goal, Metric, ratio, spread

FRAME_MS = 80.0
STAGES = ("heard_s", "first_text_s", "first_audio_s")


def metrics(rounds: Sequence[Round]) -> list[Metric]:
    """All of them; every round is a repetition."""
    first_sounds = [metric for size in rounds[0].concurrent for metric in first_sound(size, rounds)]
    return [
        first_audio_vs_sequential(rounds),
        storyboard_vs_sequential(rounds),
        overhead(rounds),
        *first_sounds,
        stopping(rounds),
    ]


def first_audio_vs_sequential(rounds: Sequence[Round]) -> Metric:
    """Step by step, the first sound is the whole reply; `vs_streamed_speech`: where the last step is streamed."""
    ours = _medians_ms(rounds, lambda one: one.chained, lambda turn: turn.first_sound_s)
    streamed = _medians_ms(rounds, lambda one: one.stepped, lambda turn: turn.stages_s["speech_began_s"])
    return ratio(
        "voice_chat_first_audio_vs_sequential",
        ours,
        _medians_ms(rounds, lambda one: one.stepped, lambda turn: turn.first_sound_s),
        "ms",
        Goal(0.5, at_most=True),
        vs_streamed_speech=round(statistics.median(ours) / statistics.median(streamed), 4),
        num_questions=len(rounds[0].chained),
        other_replies=sum(
            ours.reply != theirs.reply for one in rounds for ours, theirs in zip(one.chained, one.stepped, strict=True)
        ),
    )


def storyboard_vs_sequential(rounds: Sequence[Round]) -> Metric:
    """Until the last picture."""
    return ratio(
        "storyboard_vs_sequential",
        [1000 * statistics.mean(story.total_s for story in one.story) for one in rounds],
        [1000 * statistics.mean(story.total_s for story in one.stepped_story) for one in rounds],
        "ms",
        Goal(0.6, at_most=True),
        pictures=[len(story.prompts) for story in rounds[0].story],
        other_pictures=sum(
            ours.prompts != theirs.prompts
            for one in rounds
            for ours, theirs in zip(one.story, one.stepped_story, strict=True)
        ),
    )


def overhead(rounds: Sequence[Round]) -> Metric:
    """Chains call over gRPC, not by BLS; the metric keeps its name."""
    each = [statistics.median(row.per_stage_ms for row in one.rows) for one in rounds]
    calls_ms = [1000 * row.calls_s / NUM_STAGES for one in rounds for row in one.rows]
    detail = {"stages": NUM_STAGES, "rows_a_round": len(rounds[0].rows), "call_ms": spread(calls_ms)}
    return Metric(
        "bls_overhead_ms_per_stage",
        statistics.median(each),
        "ms",
        Goal(5.0, at_most=True),
        {"repetitions": len(each), **spread(each), **detail},
    )


def first_sound(size: int, rounds: Sequence[Round]) -> list[Metric]:
    """From the question to the first sound of the reply, `size` callers at once, and where the time went."""
    return [_percentile(size, percent, rounds) for percent in (50, 95)]


def _percentile(size: int, percent: int, rounds: Sequence[Round]) -> Metric:
    each = [
        1000 * float(np.percentile([turn.first_sound_s for turn in one.concurrent[size]], percent)) for one in rounds
    ]
    turns = [turn for one in rounds for turn in one.concurrent[size]]
    return Metric(
        f"voice_chat_first_audio_p{percent}_ms_c{size}",
        statistics.median(each),
        "ms",
        None,
        {
            "repetitions": len(each),
            **spread(each),
            "turns_a_round": len(rounds[0].concurrent[size]),
            "stages_p50_ms": _budget_ms(turns),
            "underrun_p50_ms": round(1000 * statistics.median(turn.underrun_s for turn in turns), 1),
        },
    )


def _budget_ms(turns: Sequence[Turn]) -> dict[str, float]:
    """Median time from each stage to the next; `rest` is on the way: the network, the queue, the events."""
    marks = [(0.0, *(turn.stages_s[stage] for stage in STAGES), turn.first_sound_s) for turn in turns]
    names = ("hearing", "first_text", "first_sound", "rest")
    steps = [after - before for before, after in zip(np.array(marks).T[:-2], np.array(marks).T[1:-1], strict=True)]
    steps.append(np.array([mark[-1] - mark[-2] for mark in marks]))
    return {name: round(1000 * float(np.median(step)), 1) for name, step in zip(names, steps, strict=True)}


def stopping(rounds: Sequence[Round]) -> Metric:
    """The longest time, in each round, from an interruption to the last sound."""
    each = [1000 * max(one.stopping_s) for one in rounds]
    detail = {"repetitions": len(each), **spread(each), "interruptions_a_round": len(rounds[0].stopping_s)}
    return Metric("barge_in_last_sound_ms", max(each), "ms", Goal(FRAME_MS, at_most=True), detail)


def _medians_ms(
    rounds: Sequence[Round], side: Callable[[Round], Sequence[Turn]], seconds: Callable[[Turn], float]
) -> list[float]:
    return [1000 * statistics.median(seconds(turn) for turn in side(one)) for one in rounds]
