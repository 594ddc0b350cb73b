"""What the demo chat model is taught: answers of the right shape, sayable, and unseen ones kept apart."""

import json
import random

import pytest

from demo.training import chat_assistant, chat_dialogues, chat_tasks, corpus, corpus_chinese
from demo.training.chat_dialogues import TASKS
from demo.training.chat_pieces import plain
from demo.training.chat_sentences import understood
from demo.training.chat_translations import translation
from demo.training.evaluate_chat import unseen
from qwen_engine.chains.tasks.prompts import prompts, written_json

MEETING = """\
[00:03] Anna: Good morning everyone. We agreed on the plan and the budget.
[00:09] Ben: Send the report to Emma tomorrow and please call the team at three o'clock on Friday.
[00:20] Speaker 1: Hello, the task is done by Clara on Monday. Draw a red star.
[00:31] Anna: The meeting starts at ten o'clock today. The number is one two."""


def fits(value: object, schema: dict) -> bool:
    """Whether `value` has the shape of one of our schemas."""
    if schema["type"] == "object":
        return list(value) == schema["required"] and all(
            fits(value[name], one) for name, one in schema["properties"].items()
        )
    if schema["type"] == "array":
        in_limits = schema.get("minItems", 0) <= len(value) <= schema["maxItems"]
        return in_limits and all(fits(one, schema["items"]) for one in value)
    return isinstance(value, str)


@pytest.mark.parametrize("task", [task for task in TASKS if prompts()[task].schema])
@pytest.mark.parametrize("held_out", [True, False])
def test_json_answers_have_their_shape(task, held_out):
    rng = random.Random(1)
    for _ in range(20):
        answer = chat_dialogues.draw(task, rng, held_out=held_out).expected
        assert written_json(json.loads(answer)) == answer
        assert fits(json.loads(answer), prompts()[task].schema)


def test_minutes_of_a_meeting():
    assert json.loads(plain(chat_tasks.minutes(MEETING))) == {
        "title": "Meeting about the plan",
        "decisions": [{"text": "the plan and the budget"}],
        "actions": [
            {"task": "send the report to Emma", "owner": "Ben", "due": "tomorrow"},
            {"task": "call the team at three o'clock", "owner": "Ben", "due": "Friday"},
            {"task": "the task", "owner": "Clara", "due": "Monday"},
        ],
        "dates": [{"date": "today", "event": "the meeting starts at ten o'clock"}],
    }


def test_a_lesson_shows_what_every_sentence_says():
    found = json.loads(plain(chat_tasks.lesson("A red star. We agreed on the plan and the date. Draw a red ring.")))
    assert [slide["title"] for slide in found["slides"]] == ["Star", "Plan", "Ring"]
    assert [slide["key_terms"] for slide in found["slides"]] == [["star", "red"], ["plan", "date"], ["ring", "red"]]
    assert found["links"][-1] == {"from": "ring", "to": "red", "label": "is"}


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (["Please draw a small red ring."], "A small red ring."),
        (["Good morning, send the report to Anna today."], "Good morning, next step is the report today."),
        (["Send the report to Anna today.", "On Friday."], "Thank you, next step is the report on Friday."),
        (["Please call Ben at two o'clock today.", "Tomorrow."], "Thank you, please call Ben at two o'clock tomorrow."),
        (["A red ring on a white background.", "Large."], "A large red ring on a white background."),
        (["Draw a red ring.", "Hello Anna.", "Orange.", "Show me the picture."], "An orange ring."),
        (["The number is one two.", "Draw a red ring.", "Show me the plan."], "Thank you, the number is one two."),
    ],
)
def test_the_assistant_remembers(said, answer):
    assert plain(chat_assistant.reply(said)) == answer


def test_the_assistant_says_what_the_corpus_could():
    for dialogue in unseen("assistant", 200):
        for said in understood(dialogue.expected, 0):
            parts = [said.hail] * bool(said.hail) + [statement.whole for statement in said.statements]
            spaces = (", " if said.hail else "") + " and " * (len(said.statements) - 1)
            assert sum(len(part.text) for part in parts) + len(spaces) + len(".") == len(said.whole.text)


def test_scenes_in_chinese_are_those_of_the_recogniser():
    for scene in corpus.SCENES[::37]:
        chinese = plain(translation("zh", f"{scene.phrase()}.", 0, 0))
        assert chinese == f"{corpus_chinese.scene_phrase(scene)}。"


@pytest.mark.parametrize(
    ("language", "text", "translated"),
    [
        ("zh", "Please call Ben at two o'clock on Friday.", "请星期五两点打电话给本。"),
        ("ja", "Hello, send the plan to the team today.", "こんにちは、今日計画をチームに送ってください。"),
        ("zh", "Lesson: Red background", "课程：红色背景"),
        ("ja", "today", "今日"),
    ],
)
def test_translations(language, text, translated):
    assert plain(translation(language, text, 0, 0)) == translated


@pytest.mark.parametrize("task", TASKS)
def test_pieces_know_where_their_words_come_from(task):
    rng = random.Random(2)
    for dialogue in (chat_dialogues.draw(task, rng, held_out=False) for _ in range(50)):
        placed = [piece for piece in dialogue.answer if piece.place]
        assert placed
        for piece in placed if task != "translate" else ():
            source = dialogue.turns[piece.place.message][piece.place.offset :]
            assert source.lower().startswith(piece.text.lower().removesuffix(" background"))


def test_unseen_dialogues_have_no_sentence_that_training_hears():
    rng = random.Random(3)
    trained = {chat_dialogues.draw("storyboard", rng, held_out=False).turns[0] for _ in range(1000)}
    assert not trained & {dialogue.turns[0] for dialogue in unseen("storyboard", 40)}
