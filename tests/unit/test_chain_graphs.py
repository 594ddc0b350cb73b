"""The graphs of the named chains, on models that answer by rule: what each stage is given, and what comes of it."""

import asyncio
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import soundfile
from chain_models import FULL, RuleModels, drawn, recording

from qwen_engine.chains.calls import Trace
from qwen_engine.chains.workflow.chain import Workflows, graphs_beside
from qwen_engine.chains.workflow.signatures import tensors
from qwen_engine.messages import Inputs
from qwen_engine.settings import ChainSettings
from qwen_wire.chains import ChainEnd, Stage, StageFailed, StageResult, StageSkipped
from qwen_wire.errors import InvalidRequest
from qwen_wire.messages import to_dict

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
CHAINS = graphs_beside(REPOSITORY / "storyboard")
SERVED = ("qwen3_asr", "qwen3_chat", "qwen3_tts", "qwen_image", "chart_image", "qwen3_vl", *CHAINS)


@dataclass
class Made:
    """What a run told."""

    models: RuleModels
    end: ChainEnd | None = None
    events: list[Stage] = field(default_factory=list)

    def __getitem__(self, stage: str) -> Any:
        """The one JSON or text that a stage gave; of a model that gives several, its `json` or `text`."""
        told = {event.output: event for event in self.of(StageResult, stage)}
        event = next(told[name] for name in ("json", "text", "TEXT", "RESULT") if name in told)
        return event.value

    def of(self, kind: type, stage: str | None = None) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind) and stage in (None, event.stage)]

    def files(self, stage: str, output: str) -> dict[int | None, bytes]:
        """By item."""
        return {event.item: event.payload for event in self.of(StageResult, stage) if event.output == output}

    def stages(self, kind: type) -> list[str]:
        return [event.stage for event in self.of(kind) if event.item is None]


def run(chain: str, files: dict[str, bytes | list[bytes]], models: RuleModels | None = None, **inputs: Any) -> Made:
    """The chain from its request to its end."""
    made = Made(models or RuleModels())
    asyncio.run(asyncio.wait_for(follow(made, chain, files, **inputs), 60))
    return made


async def follow(
    made: Made, chain: str, files: dict[str, bytes | list[bytes]], deadline_s: float | None = None, **inputs: Any
) -> None:
    workflows = Workflows(made.models, ChainSettings(served=SERVED), CHAINS)
    graph = CHAINS[chain]
    sent = {name: tuple(one) if isinstance(one, list) else (one,) for name, one in files.items()}
    items = {tensor.name: sent.get(tensor.name, ()) for tensor in tensors(graph)}
    options = json.dumps({"inputs": inputs, "deadline_s": deadline_s}).encode()

    async def emit(event: Stage) -> None:
        made.events.append(event)

    told = Inputs({**items, "OPTIONS": (options,)})
    made.end = await workflows.run_named(graph, told, Trace.read({}), emit)


@pytest.mark.parametrize("chain", CHAINS)
def test_graphs_can_run_where_their_models_are_served(chain):
    Workflows(RuleModels(), ChainSettings(served=SERVED), CHAINS).check(CHAINS[chain], chain)


ANNA = recording((0.0, 3.0, "Good morning everyone."), (12.0, 16.0, "Send the report to Clara tomorrow."))
BEN = recording(
    (4.0, 8.0, "We agreed on the plan and the budget."), (20.0, 24.0, "The task is done by Anna on Friday.")
)
CLARA = recording((30.0, 34.0, "The meeting starts at five o'clock on Monday."))
MEETING = {"speakers": ["Anna", "Ben", "Clara"], "date": "2026-11-25", "seed": 4}


def test_minutes_of_a_meeting():
    made = run("meeting_minutes", {"AUDIO": [ANNA, BEN, CLARA]}, **MEETING)
    assert made.end.finish_reason == "stop"
    assert [line["speaker"] for line in made["transcript"]["lines"]] == ["Anna", "Ben", "Anna", "Ben", "Clara"]
    assert made["minutes"]["decisions"] == [{"text": "the plan and the budget"}]
    assert made["minutes"]["actions"] == [
        {"task": "send the report to Clara", "owner": "Anna", "due": "tomorrow", "due_date": "2026-11-26"},
        {"task": "the task", "owner": "Anna", "due": "Friday", "due_date": "2026-11-27"},
    ]
    assert made["minutes"]["dates"][0]["on"] == "2026-11-30"
    charts = {stage: drawn(made.files(stage, "IMAGE")[None]) for stage in ("timeline", "responsibilities", "gantt")}
    assert charts == {"timeline": "timeline", "responsibilities": "responsibility_matrix", "gantt": "gantt"}
    assert drawn(made.files("illustration", "IMAGE")[None]).endswith(" 4")
    timeline = next(json.loads(text) for text in made.models.texts("chart_image") if "timeline" in text)
    assert [event["time_s"] for event in timeline["events"]] == [4.0, 12.0, 20.0, 30.0]


def test_a_long_meeting_is_written_in_parts():
    whole = run("meeting_minutes", {"AUDIO": [ANNA, BEN, CLARA]}, **MEETING)
    parted = run("meeting_minutes", {"AUDIO": [ANNA, BEN, CLARA]}, part_chars=120, **MEETING)
    assert len(parted["parts"]) > len(whole["parts"]) == 1
    assert {**parted["minutes"], "title": ""} == {**whole["minutes"], "title": ""}


def test_a_meeting_without_anything_to_draw():
    greeting = recording((0.0, 3.0, "Good morning everyone."))
    made = run("meeting_minutes", {"AUDIO": [greeting]}, illustrate=False)
    assert made.end.finish_reason == "stop"
    assert set(made.stages(StageSkipped)) == {"timeline", "responsibilities", "gantt", "wish", "illustration"}
    assert made["transcript"]["speakers"] == ["Speaker 1"]


def test_the_minutes_stay_when_the_illustration_fails():
    made = run("meeting_minutes", {"AUDIO": [ANNA]}, RuleModels(fails={("qwen_image", ""): FULL}))
    assert (made.end.finish_reason, made.end.error.stage) == ("failed", "illustration")
    assert made["minutes"]["actions"][0]["owner"] == "Speaker 1"
    assert made.files("responsibilities", "IMAGE")
    tried = [call for call in made.models.calls if call.model == "qwen_image"]
    assert len(tried) == 2


def test_silence_is_no_meeting():
    made = run("meeting_minutes", {"AUDIO": [recording()]})
    assert (made.end.finish_reason, made.end.error.stage) == ("failed", "parts")
    assert "nothing is said" in made.end.error.message


@pytest.mark.parametrize(
    "files", [{"TEXT": b"A small red circle."}, {"AUDIO": [recording((0, 2, "A small red circle."))]}]
)
def test_a_story_in_pictures(files):
    made = run("storyboard", files, seed=5, style="anime", width=48, height=32)
    assert made["idea"] == "A small red circle."
    shots = [(shot["prompt"], shot["seed"]) for shot in made.end.to_dict()["outputs"]["shots"]]
    assert shots == [("a small red circle", 5), ("a red circle", 6), ("a large red circle", 7)]
    pictures = made.files("pictures", "IMAGE")
    assert [drawn(pictures[number]) for number in range(3)] == [f"{prompt} {seed}" for prompt, seed in shots]
    options = next(call.options for call in made.models.calls if call.model == "qwen_image")
    assert {name: options[name] for name in ("style", "width", "height", "steps")} == {
        "style": "anime", "width": 48, "height": 32, "steps": None,
    }  # fmt: skip


def test_one_picture_that_fails_leaves_the_others():
    made = run("storyboard", {"TEXT": b"A red circle."}, RuleModels(fails={("qwen_image", "small"): FULL}))
    assert (made.end.finish_reason, made.end.error.status) == ("failed", "UNAVAILABLE")
    assert sorted(made.files("pictures", "IMAGE")) == [1, 2]
    assert [(event.stage, event.item) for event in made.of(StageFailed)] == [("pictures", 0), ("pictures", None)]


@pytest.mark.parametrize("chain", ["storyboard", "courseware", "product_ad"])
def test_nothing_to_begin_with(chain):
    made = run(chain, {})
    assert made.end.finish_reason == "failed"
    assert "give it as text, or as speech" in made.end.error.message


LECTURE = b"A small red circle on a blue background. Next step is the plan on Monday."


def test_a_lesson_in_three_languages():
    made = run("courseware", {"TEXT": LECTURE}, voices={"en": "ava", "zh": "mei"}, seed=2)
    assert made.end.finish_reason == "stop"
    lessons = made["lessons"]
    assert list(lessons) == ["en", "zh", "ja"]
    assert [slide["text"] for slide in lessons["zh"]["slides"]] == [
        "蓝色背景上的一个小红色圆形。",
        "下一步是星期一的计划。",
    ]
    assert lessons["ja"]["slides"][1]["text"] == "次のステップは月曜日の計画です。"
    assert made["narration"]["silent"] == ["ja"]
    spoken = [
        (call.options["voice"], call.inputs["TEXT"].decode()) for call in made.models.calls if call.model == "qwen3_tts"
    ]
    assert spoken == [
        (voice, slide["text"])
        for code, voice in (("en", "ava"), ("zh", "mei"))
        for slide in lessons[code]["slides"]
    ]  # fmt: skip
    narrated = made.files("speech", "AUDIO")
    seconds = [soundfile.info(io.BytesIO(narrated[number])).duration for number in range(4)]
    assert seconds == pytest.approx([len(text) / 10 for _, text in spoken])
    assert [drawn(picture) for picture in made.files("concepts", "IMAGE").values()] == ["concept_graph"] * 3
    assert json.loads(made.models.texts("chart_image")[0])["concepts"][0] == {"name": "circle"}


def test_a_lecture_as_speech_with_no_voice_at_all():
    made = run("courseware", {"AUDIO": [recording((0, 4, "The task is done by Ben today."))]}, languages=["zh"])
    assert made.end.finish_reason == "stop"
    assert made["source"] == "en"
    assert made["narration"] == {"scripts": [], "silent": ["en", "zh"]}
    assert made.files("speech", "AUDIO") == {}


@pytest.mark.parametrize(
    ("chain", "inputs", "message"),
    [
        (
            "courseware",
            {"languages": ["zh", "klingon"]},
            "OPTIONS.inputs.languages.1 is 'klingon'; allowed: Arabic",
        ),
        ("courseware", {"voices": {"klingon": "ava"}}, "OPTIONS.inputs.voices.klingon is 'klingon'; allowed: Arabic"),
        ("courseware", {"voices": ["ava"]}, "OPTIONS.inputs.voices is"),
        ("courseware", {"language": "klingon"}, "OPTIONS.inputs.language is 'klingon'; allowed: auto, Arabic"),
        ("storyboard", {"language": "klingon"}, "OPTIONS.inputs.language is 'klingon'; allowed: auto, Arabic"),
        ("storyboard", {"language": 5}, "OPTIONS.inputs.language is 5: Input should be a valid string"),
        ("storyboard", {"width": 5}, "OPTIONS.inputs.width is 5: Input should be greater than or equal to 16"),
        ("storyboard", {"aspect": "7:5"}, "OPTIONS.inputs.aspect is"),
        ("storyboard", {"seed": -1}, "OPTIONS.inputs.seed is -1"),
        ("product_ad", {"steps": 0}, "OPTIONS.inputs.steps is 0: Input should be greater than or equal to 1"),
        ("product_ad", {"voices": "ava"}, "OPTIONS.inputs.voices is"),
        ("meeting_minutes", {"date": "someday"}, "someday"),
        (
            "meeting_minutes",
            {"language": "klingon"},
            "OPTIONS.inputs.language is 'klingon'; allowed: auto, Arabic",
        ),
        ("meeting_minutes", {"max_audio_s": -1}, "OPTIONS.inputs.max_audio_s is -1"),
        ("meeting_minutes", {"seed": 2**64}, "OPTIONS.inputs.seed is 18446744073709551616"),
        ("describe_aloud", {"language": "klingon"}, "OPTIONS.inputs.language is 'klingon'; allowed: auto, Arabic"),
    ],
)
def test_mistakes_in_what_is_given_are_told_before_any_stage_runs(chain, inputs, message):
    files = {"AUDIO": [ANNA], "IMAGE": b"picture", "TEXT": LECTURE}
    taken = {tensor.name for tensor in tensors(CHAINS[chain])}
    made = Made(RuleModels())
    with pytest.raises(InvalidRequest) as refusal:
        asyncio.run(follow(made, chain, {name: one for name, one in files.items() if name in taken}, **inputs))
    assert message in str(refusal.value)
    assert not made.models.calls
    assert not made.events


def test_an_advertisement_in_two_voices():
    made = run("product_ad", {"TEXT": b"A red ring. Please call Anna today."}, voices=["ava", "dan"], seed=2**63 - 1)
    assert made.end.finish_reason == "stop"
    readings = made["readings"]
    assert [(one["variant"], one["voice"]) for one in readings] == [
        (n, voice) for n in range(3) for voice in ("ava", "dan")
    ]
    assert sorted(made.models.texts("qwen3_tts")) == sorted(one["text"] for one in readings)
    assert len(made.files("speech", "AUDIO")) == 6
    assert [drawn(one) for one in made.files("pictures", "IMAGE").values()] == [
        f"{scene} {seed}" for seed, scene in zip((2**63 - 1, 0, 1), made["advert"]["scenes"], strict=True)
    ]


def test_a_picture_is_described_aloud():
    made = run("describe_aloud", {"IMAGE": b"abc", "TEXT": b"What is it?"}, voice="ava")
    assert made["description"] == "What is it? A ring of 3 bytes."
    assert made.models.texts("qwen3_tts") == [made["description"]]
    seed = made.end.seeds["seed"]
    assert made.models.calls[-1].options == {"voice": "ava", "language": "auto", "seed": seed}
    assert soundfile.info(io.BytesIO(made.files("speech", "AUDIO")[None])).duration == pytest.approx(3.0)
    assert run("describe_aloud", {"IMAGE": b"abc"})["description"] == "A ring of 3 bytes."


@pytest.mark.parametrize(
    ("inputs", "message"),
    [({"sede": 1}, r"OPTIONS\.inputs\.sede is unknown"), ({"seed": "one"}, r"OPTIONS\.inputs\.seed is \"one\"")],
)
def test_unknown_inputs_are_refused_before_anything_is_done(inputs, message):
    models = RuleModels()
    with pytest.raises(InvalidRequest, match=message):
        run("storyboard", {"TEXT": b"A ring."}, models, **inputs)
    assert models.calls == []


@pytest.mark.parametrize(
    ("chain", "files", "stage", "models"),
    [
        ("meeting_minutes", {"AUDIO": [ANNA, BEN]}, "heard", ["qwen3_asr"] * 2),
        ("storyboard", {"TEXT": b"A red ring."}, "pictures", ["qwen_image"] * 3),
        ("courseware", {"TEXT": LECTURE}, "concepts", ["chart_image"] * 3),
        ("product_ad", {"TEXT": b"A red ring."}, "speech", ["qwen3_tts"] * 3),
        ("describe_aloud", {"IMAGE": b"abc"}, "description", ["qwen3_vl"]),
    ],
)
def test_who_leaves_takes_all_calls_along(chain, files, stage, models):
    made = Made(RuleModels(wait={models[0]}))

    async def leave() -> None:
        task = asyncio.create_task(follow(made, chain, files))
        while [call.model for call in made.models.calls].count(models[0]) < len(models):
            await asyncio.sleep(0)
        assert any(event.stage == stage for event in made.events)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(leave(), 60))
    assert made.models.cancelled == models
    assert made.end is None


FILES = {
    "meeting_minutes": {"AUDIO": [ANNA, BEN, CLARA]},
    "storyboard": {"AUDIO": [recording((0, 2, "A small red circle."))]},
    "courseware": {"AUDIO": [recording((0, 4, LECTURE.decode()))]},
    "product_ad": {"AUDIO": [recording((0, 2, "A red ring."))]},
    "describe_aloud": {"IMAGE": b"abc"},
}
SPOKEN = {"courseware": {"voices": {"en": "ava"}}}
STAGES = [
    (chain, stage, node.model) for chain, graph in CHAINS.items() for stage, node in graph.nodes.items() if node.model
]


def needing(chain: str, stage: str) -> set[str]:
    """The stages that cannot be without one."""
    graph = CHAINS[chain]
    found = {stage}
    while more := {name for name in graph.nodes if graph.needs(name) & found} - found:
        found |= more
    return found - {stage}


@pytest.mark.parametrize(("chain", "stage", "model"), STAGES)
def test_every_stage_that_fails_is_named_and_what_does_not_need_it_is_done(chain, stage, model):
    models = RuleModels(fails={(model, ""): InvalidRequest("no")})
    made = run(chain, FILES[chain], models, **SPOKEN.get(chain, {}))
    same = [name for other, name, called in STAGES if (other, called) == (chain, model)]
    failed = [name for name in made.stages(StageFailed) if name in same]
    assert made.end.finish_reason == "failed"
    assert to_dict(made.end.error) == {"stage": failed[0], "status": "INVALID_ARGUMENT", "message": "no"}
    states = {name: record["state"] for name, record in made.end.to_dict()["record"].items()}
    lost = set().union(*(needing(chain, name) for name in failed))
    assert {name for name, state in states.items() if state == "failed"} == set(failed)
    assert {name for name, state in states.items() if state == "skipped"} >= lost - set(failed)
    assert {states[name] for name in states.keys() - lost - set(failed)} <= {"done", "skipped"}
    assert stage in failed or stage in lost


@pytest.mark.parametrize(("chain", "stage", "model"), STAGES)
def test_every_stage_that_takes_too_long_is_cancelled_and_named(chain, stage, model):
    made = Made(RuleModels(wait={model}))
    asyncio.run(asyncio.wait_for(follow(made, chain, FILES[chain], deadline_s=0.2, **SPOKEN.get(chain, {})), 60))
    same = [name for other, name, called in STAGES if (other, called) == (chain, model)]
    assert made.end.finish_reason == "failed"
    assert made.end.error.status == "DEADLINE_EXCEEDED"
    assert made.end.error.stage in same
    assert made.models.cancelled == [call.model for call in made.models.calls if call.model == model]
    assert made.models.cancelled
    states = [record["state"] for record in made.end.to_dict()["record"].values()]
    assert "running" not in states
    assert "waiting" not in states
    assert stage in same


def test_a_profile_may_set_what_a_request_leaves_out():
    graph = CHAINS["courseware"].with_defaults({"voices": {"en": "ava"}})
    assert graph.inputs["voices"].default == {"en": "ava"}
    assert graph.inputs["languages"] == CHAINS["courseware"].inputs["languages"]
    with pytest.raises(InvalidRequest, match="there is no input 'voice'; there are audio, text"):
        CHAINS["courseware"].with_defaults({"voice": "ava"})
