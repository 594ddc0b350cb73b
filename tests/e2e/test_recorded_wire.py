"""The wire stays as it is: every model answers the requests of tests/recorded as it did when they were recorded."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.wire_answers import differences
from tests.wire_corpus import DIRECT, Door, load, names
from tests.wire_requests import HOME

CORPUS = {model: load(model) for model in names()}
CASES = [pytest.param(model, name, id=f"{model}-{name}") for model in CORPUS for name in CORPUS[model]["cases"]]


@pytest.fixture(scope="module")
def door(server: Any) -> Iterator[Door]:
    with grpc.insecure_channel(server.address.grpc, DIRECT) as channel:
        yield Door(channel)


def test_every_model_is_in_the_corpus():
    """The demo profile serves all of them."""
    assert set(CORPUS) == {file.parent.name for file in (HOME / "model_repository").rglob("config.pbtxt")}


@pytest.mark.parametrize("model", CORPUS)
def test_tensors(door, model):
    assert door.tensors(model) == CORPUS[model]["tensors"]


@pytest.mark.parametrize(("model", "name"), CASES)
def test_answers(door, model, name):
    case = CORPUS[model]["cases"][name]
    found = differences(case["answers"], door.answers(model, CORPUS[model]["method"], case["requests"]))
    assert not found, "\n".join(found)
