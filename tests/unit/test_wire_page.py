"""docs/wire-protocol.md and docs/schemas say what the types of qwen_wire say, and tell of all of them."""

import json
from dataclasses import is_dataclass
from types import ModuleType

import jsonschema
import pytest

from qwen_wire import answers, chains, messages, pictures, speech, transcripts, voice_chat, workflows
from qwen_wire.tensors import SCHEMAS
from scripts.wire_page import EVENTS, FOLDER, OWN, PAGE, RESULTS, schemas, wire_page

MODULES = (answers, chains, messages, pictures, speech, transcripts, voice_chat, workflows)


def test_the_page_is_what_the_types_say() -> None:
    assert PAGE.read_text() == wire_page(), "write it anew: make docs"


def test_the_schemas_are_what_the_types_say() -> None:
    assert {file.name: file.read_text() for file in FOLDER.iterdir()} == schemas(), "write them anew: make docs"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_event_is_on_the_page(module: ModuleType) -> None:
    events = {one for one in vars(module).values() if is_dataclass(one) and "type" in one.__dataclass_fields__}
    assert events <= {kind for _, _, kind in EVENTS} | set(RESULTS.values()) | {messages.EndEvent}


def test_every_schema_of_options_is_on_the_page() -> None:
    assert set(SCHEMAS.values()) <= set(OWN.values())


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_schema_is_one(name: str) -> None:
    schema = json.loads((FOLDER / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda schema: schema.__name__)
def test_every_option_is_described(schema: type) -> None:
    assert [name for name, field in schema.model_fields.items() if not field.description] == []
