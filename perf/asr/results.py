"""From rounds to metrics."""

from collections.abc import Sequence

import numpy as np

from perf.asr.baseline import Official, total_s
from perf.asr.clips import Clip
from perf.asr.rounds import AT_ONCE, Round
from perf.asr.transcriptions import TranscriptionTimes, rate
from perf.metrics import Goal, Metric, ratio, spread

UNIT = "audio s/s"


def metrics(rounds: Sequence[Round], clips: Sequence[Clip]) -> list[Metric]:
    """The four of recordings; every round is a repetition."""
    together = [rate(one.together) for one in rounds]
    alone = [rate(one.alone) for one in rounds]
    sequential = [_official_rate(one.official, clips) for one in rounds]
    batches = [_official_rate(one.batches, clips) for one in rounds]
    same = _same_work(rounds)
    return [
        ratio(f"throughput_vs_sequential_c{AT_ONCE}", together, sequential, UNIT, Goal(6.0), **same),
        ratio(f"throughput_vs_static_batch_c{AT_ONCE}", together, batches, UNIT, Goal(1.5), **same),
        ratio("speed_vs_sequential_c1", alone, sequential, UNIT, Goal(2.0), **same),
        short_clips(rounds),
    ]


def short_clips(rounds: Sequence[Round]) -> Metric:
    """p95 beside long clips, less one step, over p95 alone. A step takes as long as a long clip's first token."""
    alone_ms, beside_ms = ([_p95_ms(getattr(one, f"short_{where}")) for one in rounds] for where in ("alone", "beside"))
    steps_ms = [float(np.median([1000 * token.latency_s for token in one.first_tokens])) for one in rounds]
    each = spread([(near - step) / far for near, step, far in zip(beside_ms, steps_ms, alone_ms, strict=True)])
    with_the_step = spread(beside_ms)["median"] / spread(alone_ms)["median"]
    detail = {
        **each,
        "repetitions": len(rounds),
        "ours": spread(beside_ms),
        "theirs": spread(alone_ms),
        "theirs_is": "ours alone",
        "figures_unit": "ms",
        "step_ms": spread(steps_ms),
        "with_the_step": round(with_the_step, 4),
    }
    return Metric("short_clip_p95_vs_alone", each["median"], "ratio", Goal(2.0, at_most=True), detail)


def _official_rate(answers: Sequence[Official], clips: Sequence[Clip]) -> float:
    return sum(clip.duration_s for clip in clips) / total_s(answers)


def _p95_ms(transcriptions: Sequence[TranscriptionTimes]) -> float:
    return 1000 * float(np.percentile([one.latency_s for one in transcriptions], 95))


def _same_work(rounds: Sequence[Round]) -> dict[str, int]:
    """Greedy transcripts of the same checkpoint: the same texts, or the comparison is not of equals."""
    pairs = [
        (official.texts[0], transcriptions.text)
        for one in rounds
        for official, transcriptions in zip(one.official, one.alone, strict=True)
    ]
    return {"num_clips": len(rounds[0].alone), "other_texts": sum(theirs.strip() != ours for theirs, ours in pairs)}
