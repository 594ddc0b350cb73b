"""The prompts of the chat tasks and the shapes of their answers."""

import json

import pytest

from qwen_engine.chains.tasks.prompts import prompt, prompts, written_json
from qwen_wire.errors import InvalidRequest

NAMES = ["assistant", "minutes", "storyboard", "lesson", "translate", "advert"]


def objects(schema: dict) -> list[dict]:
    """Every object within a schema."""
    inner = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return [schema] * (schema["type"] == "object") + [found for one in inner for found in objects(one)]


def test_every_task_has_a_prompt_and_the_written_ones_have_no_schema():
    assert list(prompts()) == NAMES
    assert all(prompt(name).system == prompt(name).system.strip() != "" for name in NAMES)
    assert [name for name in NAMES if prompt(name).schema is None] == ["assistant", "translate"]


@pytest.mark.parametrize("name", [name for name in NAMES if prompts()[name].schema])
def test_a_schema_leaves_nothing_open(name):
    for schema in objects(prompt(name).schema):
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])


def test_messages_put_the_task_before_the_text():
    assert prompt("translate").messages("zh: Hello everyone.") == [
        {"role": "system", "content": prompt("translate").system},
        {"role": "user", "content": "zh: Hello everyone."},
    ]


def test_json_is_written_without_spaces():
    value = {"title": "图", "slides": [1, {"a": None}]}
    assert written_json(value) == '{"title":"图","slides":[1,{"a":null}]}'
    assert json.loads(written_json(value)) == value


def test_an_unknown_task_is_refused_by_name():
    with pytest.raises(InvalidRequest, match=r"prompt: 'poem' is not one of assistant, minutes"):
        prompt("poem")
