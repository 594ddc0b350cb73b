"""From rounds to metrics."""

from collections.abc import Sequence

import numpy as np

from perf.arrivals import first_in_first_out_s
from perf.metrics import Goal, Metric, ratio
from perf.speech_requests import FRAMES_PER_S, Spoken, elapsed_s, total_frames
from perf.tts.baseline import OfficialSpeech
from perf.tts.rounds import LOAD, Round

SENTENCE_S = 4.0


def metrics(rounds: Sequence[Round]) -> list[Metric]:
    """The five of load; every round is a repetition."""
    return [
        frames_c1(rounds),
        throughput_vs_sequential(rounds),
        throughput_vs_static_batch(rounds),
        first_audio_vs_full_audio(rounds),
        first_audio_under_arrivals(rounds),
    ]


def frames_c1(rounds: Sequence[Round]) -> Metric:
    ours = [_rate(one.ours) for one in rounds]
    theirs = [_official_rate(one.official) for one in rounds]
    return ratio("frames_vs_official_c1", ours, theirs, "frames/s", Goal(3.0), **_same_work(rounds))


def throughput_vs_sequential(rounds: Sequence[Round]) -> Metric:
    theirs = [_official_rate(one.official) / FRAMES_PER_S for one in rounds]
    name = f"throughput_vs_sequential_c{len(rounds[0].together)}"
    return ratio(name, _together(rounds), theirs, "audio s/s", Goal(12.0))


def throughput_vs_static_batch(rounds: Sequence[Round]) -> Metric:
    theirs = [_official_rate([one.official_batch]) / FRAMES_PER_S for one in rounds]
    name = f"throughput_vs_static_batch_c{len(rounds[0].together)}"
    return ratio(name, _together(rounds), theirs, "audio s/s", Goal(1.5), batch_frames=rounds[0].official_batch.frames)


def first_audio_vs_full_audio(rounds: Sequence[Round]) -> Metric:
    """Ours: the median over all texts. Theirs: the text whose audio is nearest to four seconds."""
    lengths_s = [sum(speech.frames) / FRAMES_PER_S for speech in rounds[0].official]
    index = min(range(len(lengths_s)), key=lambda at: abs(lengths_s[at] - SENTENCE_S))
    ours = [1000 * float(np.median([spoken.until_first_audio_s for spoken in one.ours])) for one in rounds]
    theirs = [1000 * one.official[index].elapsed_s for one in rounds]
    goal = Goal(0.1, at_most=True)
    return ratio("ttfa_vs_official_full_audio", ours, theirs, "ms", goal, sentence_s=round(lengths_s[index], 2))


def first_audio_under_arrivals(rounds: Sequence[Round]) -> Metric:
    """Theirs is a queue simulated from the service times measured in the same round: its first audio is all of it."""
    ours = [_p95_ms([spoken.until_first_audio_s for spoken in one.arriving]) for one in rounds]
    theirs = [_p95_ms(_queued_s(one)) for one in rounds]
    return ratio(
        "ttfa_p95_vs_sequential_poisson",
        ours,
        theirs,
        "ms",
        Goal(0.1, at_most=True),
        arrivals_a_round=len(rounds[0].arrivals_s),
        load_of_sequential=LOAD,
        theirs_is="simulated queue, measured service times",
    )


def _queued_s(one: Round) -> list[float]:
    return first_in_first_out_s(one.arrivals_s, [one.official[index].elapsed_s for index in one.order])


def _together(rounds: Sequence[Round]) -> list[float]:
    return [_rate(one.together) / FRAMES_PER_S for one in rounds]


def _rate(spoken: Sequence[Spoken]) -> float:
    return total_frames(spoken) / elapsed_s(spoken)


def _official_rate(speeches: Sequence[OfficialSpeech]) -> float:
    return sum(sum(speech.frames) for speech in speeches) / sum(speech.elapsed_s for speech in speeches)


def _p95_ms(values_s: Sequence[float]) -> float:
    return 1000 * float(np.percentile(values_s, 95))


def _same_work(rounds: Sequence[Round]) -> dict[str, int]:
    """Greedy speech of the same checkpoint: as many frames on both sides, or the comparison is not of equals."""
    pairs = [
        (sum(official.frames), spoken.num_frames)
        for one in rounds
        for official, spoken in zip(one.official, one.ours, strict=True)
    ]
    return {"num_texts": len(rounds[0].ours), "texts_of_other_length": sum(theirs != ours for theirs, ours in pairs)}
