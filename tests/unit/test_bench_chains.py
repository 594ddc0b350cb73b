"""The benchmark of chains: from times to figures, without a server."""

import pytest

from perf.chains import results
from perf.chains.overhead import NUM_STAGES, Row, cheap_workflow
from perf.chains.questions import ideas
from perf.chains.rounds import Round
from perf.chains.stories import Story
from perf.chains.voice_turns import Turn
from qwen_engine.chains.workflow.references import references

PROMPTS = ("a red circle", "a green star")


def chained(first_sound_s: float, reply: str = "Yes.") -> Turn:
    stages_s = {"heard_s": 0.1, "first_text_s": 0.15, "first_audio_s": 0.25}
    return Turn(first_sound_s, 1.0, stages_s, "Hello.", reply, underrun_s=0.01)


def stepped(total_s: float) -> Turn:
    return Turn(total_s, total_s, {"heard_s": 0.1, "written_s": 0.2, "speech_began_s": 0.5}, "Hello.", "Yes.")


ROUND = Round(
    chained=[chained(0.2), chained(0.3), chained(0.4, "No.")],
    stepped=[stepped(1.0), stepped(1.2), stepped(1.4)],
    story=[Story(1.0, PROMPTS), Story(2.0, PROMPTS)],
    stepped_story=[Story(3.0, PROMPTS), Story(3.0, PROMPTS[:1])],
    rows=[Row(0.1 + 0.002 * NUM_STAGES, 0.1)],
    concurrent={1: [chained(0.3)] * 3, 8: [chained(0.5), chained(0.6), chained(0.9)]},
    stopping_s=[0.0, 0.05],
)


def test_first_audio_is_compared_with_the_whole_reply():
    metric = results.first_audio_vs_sequential([ROUND])
    assert metric.value == pytest.approx(0.3 / 1.2)
    assert metric.detail["vs_streamed_speech"] == pytest.approx(0.3 / 0.5)
    assert metric.detail["other_replies"] == 1
    assert metric.met


def test_stories_are_compared_until_their_last_picture():
    metric = results.storyboard_vs_sequential([ROUND])
    assert metric.value == pytest.approx(1.5 / 3.0)
    assert (metric.detail["pictures"], metric.detail["other_pictures"]) == ([2, 2], 1)
    assert metric.met


def test_overhead_is_told_for_each_stage():
    metric = results.overhead([ROUND])
    assert metric.value == pytest.approx(2.0)
    assert metric.met


def test_the_time_to_the_first_sound_is_told_by_stage():
    half, most = results.first_sound(8, [ROUND])
    assert (half.name, half.value) == ("voice_chat_first_audio_p50_ms_c8", pytest.approx(600.0))
    assert (most.name, most.value) == ("voice_chat_first_audio_p95_ms_c8", pytest.approx(870.0))
    budget = half.detail["stages_p50_ms"]
    assert budget == pytest.approx({"hearing": 100.0, "first_text": 50.0, "first_sound": 100.0, "rest": 350.0})


def test_the_longest_interruption_counts():
    metric = results.stopping([ROUND, ROUND])
    assert metric.value == pytest.approx(50.0)
    assert metric.met


def test_every_metric_is_there():
    names = [metric.name for metric in results.metrics([ROUND])]
    assert len(names) == len(set(names)) == 8


def test_cheap_stages_wait_for_each_other():
    nodes = cheap_workflow()["nodes"]
    needs = [{one.source for one in references(node)} for node in nodes.values()]
    assert needs == [set(), *({name} for name in list(nodes)[:-1])]


def test_ideas_have_two_or_four_scenes():
    asked = ideas(24)
    assert len(set(asked)) == 24
    assert [idea.count(".") for idea in asked] == [2, 4] * 12
