"""What a workflow may not be: each mistake is refused before anything runs, and its message names the node."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_engine.chains.workflow import functions
from qwen_engine.chains.workflow.graph import read_graph
from qwen_engine.chains.workflow.input_values import read_values
from qwen_engine.chains.workflow.memory import MemoryPool, RunMemory
from qwen_engine.chains.workflow.references import Reference, references
from qwen_engine.chains.workflow.references import resolved as resolved_within
from qwen_engine.chains.workflow.signatures import KINDS, built_in, chain_wire
from qwen_engine.chains.workflow.validation import check
from qwen_engine.settings import ChainSettings
from qwen_wire.errors import InvalidRequest
from qwen_wire.tensors import CHAINS, ENSEMBLES, MODELS

SERVED = ("qwen3_asr", "qwen3_tts", "qwen_image", "chart_image", "qwen3_chat", "spoken_image", "workflow", "board")
INPUTS = {
    "audio": {"type": "bytes"},
    "pictures": {"type": "bytes", "several": True},
    "text": {"type": "text"},
    "data": {"type": "json"},
}
BOARD = {
    "inputs": {"idea": {"type": "text"}, "photo": {"type": "bytes", "optional": True}, "seed": {"type": "integer"}},
    "nodes": {"drawn": {"model": "qwen_image", "inputs": {"PROMPT": "$inputs.idea"}}},
    "outputs": {"picture": "$drawn.IMAGE"},
}
HEARD = {"model": "qwen3_asr", "inputs": {"AUDIO": "$inputs.audio"}}
DRAWN = {"model": "qwen_image", "inputs": {"PROMPT": "$heard.TEXT"}}
GOOD = {
    "inputs": INPUTS,
    "nodes": {
        "heard": HEARD,
        "drawn": DRAWN,
        "again": {
            "model": "qwen_image",
            "foreach": "$inputs.pictures",
            "inputs": {"PROMPT": "$inputs.data.prompts.0", "IMAGE": ["$item", "$drawn.IMAGE"]},
            "options": {"seed": "$index", "task": "edit"},
        },
        "first": {"model": "qwen_image", "inputs": {"PROMPT": "x", "IMAGE": "$again.IMAGE.0"}},
        "asked": {"model": "qwen3_chat", "prompt": "translate", "user": "zh: ${heard.TEXT}"},
        "listed": {"function": "join_texts", "arguments": {"texts": ["$heard.TEXT", "$asked.text"]}},
        "board": {"model": "board", "inputs": {"IDEA": "$listed.RESULT"}, "options": {"inputs": {"seed": 3}}},
        "spoken": {
            "model": "spoken_image",
            "inputs": {"AUDIO": "$inputs.audio", "IMAGE_OPTIONS": {"seed": "$inputs.data.seed"}},
            "when": "$inputs.data.spoken",
        },
        "later": {"model": "qwen_image", "inputs": {"PROMPT": "x", "IMAGE": "$board.picture"}},
    },
    "outputs": {"pictures": "$again.IMAGE", "all": {"one": ["$first.IMAGE", "$heard.RESULT.segments.0.text"]}},
}


def checked(graph: Any) -> None:
    read = read_graph(json.dumps(graph), "WORKFLOW")
    settings = ChainSettings(served=SERVED, max_nodes=20)
    check(read, "WORKFLOW", built_in({"board": read_graph(json.dumps(BOARD), "board")}), settings)


def with_node(name: str, **node: Any) -> dict[str, Any]:
    return {**GOOD, "nodes": {**GOOD["nodes"], name: node}}


def heard(**changed: Any) -> dict[str, Any]:
    return with_node("heard", **{**HEARD, **changed})


def test_a_good_one() -> None:
    checked(GOOD)


BAD = {
    "no model": (with_node("x"), r"WORKFLOW\.nodes\.x: it needs either a model or a function"),
    "both": (heard(function="join_texts"), r"nodes\.heard: it needs either a model or a function"),
    "unknown key": (heard(retry=1), r"WORKFLOW\.nodes\.heard\.retry is unknown"),
    "wrong type": (heard(retries="1"), r"nodes\.heard\.retries: Input should be a valid integer"),
    "out of range": (heard(retries=9), r"nodes\.heard\.retries: .*less than or equal to 5"),
    "unknown model": (heard(model="qwen4"), r"nodes\.heard\.model is 'qwen4', which is unknown; known: .*chart_image"),
    "not served": (with_node("x", model="qwen3_vl"), r"nodes\.x\.model is 'qwen3_vl', which is not served here"),
    "live captions": (heard(model="qwen3_asr_stream"), r"'qwen3_asr_stream', which is unknown"),
    "unknown tensor": (heard(inputs={"SOUND": "x"}), r"nodes\.heard\.inputs\.SOUND is unknown; qwen3_asr takes AUDIO"),
    "missing tensor": (heard(inputs={}), r"nodes\.heard\.inputs\.AUDIO is missing; qwen3_asr needs it"),
    "options as a tensor": (
        heard(inputs={"AUDIO": "$inputs.audio", "OPTIONS": {}}),
        r"inputs\.OPTIONS is unknown.*its options have a field of their own",
    ),
    "text for sound": (heard(inputs={"AUDIO": "$inputs.text"}), r"heard\.inputs\.AUDIO takes audio, but is given text"),
    "JSON for sound": (heard(inputs={"AUDIO": "$inputs.data.x"}), r"AUDIO takes audio, but is given json"),
    "picture for sound": (
        with_node("x", model="qwen3_asr", inputs={"AUDIO": "$drawn.IMAGE"}),
        r"nodes\.x\.inputs\.AUDIO takes audio, but is given image",
    ),
    "several for one": (
        heard(inputs={"AUDIO": "$inputs.pictures"}),
        r"heard\.inputs\.AUDIO takes audio, but is given a list of bytes; a node with foreach takes them one by one",
    ),
    "a list's outputs are lists": (
        with_node("x", model="qwen3_tts", inputs={"TEXT": "$again.TEXT"}),
        r"nodes\.x\.inputs\.TEXT takes text, but is given a list of text",
    ),
    "unknown input": (
        heard(inputs={"AUDIO": "$inputs.sound"}),
        r"heard: \$inputs\.sound has to name one of the inputs",
    ),
    "unknown node": (heard(when="$nobody.TEXT"), r"nodes\.heard: \$nobody\.TEXT refers to 'nobody'; there are inputs,"),
    "unknown output": (heard(when="$drawn.SOUND"), r"\$drawn\.SOUND has to name one of the outputs of drawn: IMAGE,"),
    "no output": (heard(when="$drawn"), r"nodes\.heard: \$drawn has to name one of the outputs"),
    "a path in text": (heard(when="$drawn.TEXT.words"), r"\$drawn\.TEXT\.words: there is no 'words' in text"),
    "a file in text": (
        with_node("x", model="qwen3_tts", inputs={"TEXT": "say ${inputs.audio}"}),
        r"nodes\.x: a file cannot be part of the text",
    ),
    "a file in options": (heard(options={"context": "$inputs.audio"}), r"nodes\.heard\.options hold a file"),
    "encoded payloads": (heard(options={"output_encoding": "base64"}), r"payloads between models are always raw"),
    "itself": (heard(when="$heard.TEXT"), r"WORKFLOW\.nodes\.heard needs itself: heard -> heard"),
    "a circle": (heard(when="$drawn.TEXT"), r"WORKFLOW\.nodes\.(heard|drawn) needs itself: (heard|drawn) -> "),
    "item of nothing": (heard(when="$item"), r"nodes\.heard: \$item is known within a node with foreach only"),
    "a list of items": (
        heard(foreach="$item.x"),
        r"nodes\.heard: \$item\.x is known within a node with foreach only",
    ),
    "foreach over a file": (heard(foreach="$inputs.audio"), r"nodes\.heard\.foreach is one bytes; it takes a list"),
    "unknown function": (with_node("x", function="sum"), r"nodes\.x\.function is 'sum', which is unknown; known: "),
    "arguments": (with_node("x", function="join_texts"), r"nodes\.x\.arguments: join_texts has missing .*'texts'"),
    "arguments of a model": (heard(arguments={"x": 1}), r"nodes\.heard: arguments does not go with a model"),
    "inputs of a function": (with_node("x", function="first_of", inputs={}), r"inputs does not go with a function"),
    "prompt alone": (with_node("x", model="qwen3_chat", prompt="lesson"), r"nodes\.x: prompt and user go together"),
    "prompt of none": (with_node("x", model="qwen3_chat", prompt="poem", user="x"), r"'poem' is not one of"),
    "prompt elsewhere": (heard(prompt="lesson", user="x"), r"nodes\.heard\.prompt goes with a chat model"),
    "options of an ensemble": (
        with_node("x", model="spoken_image", inputs={"AUDIO": "$inputs.audio"}, options={"seed": 1}),
        r"nodes\.x\.options: spoken_image takes none",
    ),
    "chain's input": (with_node("x", model="board"), r"nodes\.x\.inputs\.IDEA is missing; board needs it"),
    "chain's output": (heard(when="$board.sound"), r"\$board\.sound has to name one of the outputs of board: picture"),
    "reserved name": (with_node("inputs", **HEARD), r"WORKFLOW\.nodes\.inputs: a node cannot be called"),
    "bad name": (with_node("No Name", **HEARD), r"WORKFLOW\.nodes\.No Name: "),
    "too many": ({"nodes": {f"n{number}": DRAWN for number in range(21)}}, r"has 21 nodes; the limit is 20"),
    "output of nothing": ({**GOOD, "outputs": {"x": "$nobody.x"}}, r"WORKFLOW\.outputs\.x: \$nobody\.x refers to"),
    "output of an input": ({**GOOD, "outputs": {"x": "$inputs.audio"}}, r"outputs\.x is \$inputs\.audio, a file"),
    "no JSON": ("nonsense", r"WORKFLOW"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_ones(case: str) -> None:
    graph, message = BAD[case]
    with pytest.raises(InvalidRequest, match=message):
        checked(graph)


def test_every_tensor_s_name_says_what_it_holds() -> None:
    callable_models = [*(model for model in MODELS if not model.sequences), *ENSEMBLES, *CHAINS]
    tensors = {one.name for model in callable_models for one in model.inputs if one.type == "BYTES"}
    outputs = {name for model in callable_models for name in model.outputs}
    chat_controls = {"stop_words", "guided_decoding_guide_type", "guided_decoding_guide"}
    chat_controls |= {"bad_words", "embedding_bias_words"}
    assert tensors | outputs <= set(KINDS) | chat_controls


def test_a_graph_is_served_with_a_tensor_for_each_file_and_text() -> None:
    served = chain_wire("board", read_graph(json.dumps(BOARD), "board"))
    assert [(one.name, one.optional) for one in served.inputs] == [("IDEA", False), ("PHOTO", True), ("OPTIONS", False)]
    assert served.decoupled


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"OPTIONS\.inputs\.audio is missing"),
        ({"audio": "x"}, r"audio is \"x\"; it takes bytes"),
        ({"audio": b"x", "text": b"x"}, r"text is a file; it takes text"),
        ({"audio": b"x", "count": 1.5}, r"count is 1\.5; it takes integer"),
        ({"audio": b"x", "count": True}, r"count is true; it takes integer"),
        ({"audio": b"x", "texts": "x"}, r"texts takes a list of text"),
        ({"audio": b"x", "texts": ["x", 3]}, r"texts is 3; it takes text"),
        ({"audio": b"x", "other": 1}, r"OPTIONS\.inputs\.other is unknown; the workflow's inputs: audio, text"),
    ],
)
def test_inputs_are_checked(given: dict[str, Any], message: str) -> None:
    optional = {"optional": True}
    inputs = {
        "audio": {"type": "bytes"},
        "text": {"type": "text", "default": "hello"},
        "count": {"type": "integer", **optional},
        "texts": {"type": "text", "several": True, **optional},
    }
    graph = read_graph(json.dumps({"inputs": inputs, "nodes": {"x": HEARD}}), "WORKFLOW")
    assert read_values(graph, {"audio": b"x"}) == {"audio": b"x", "text": "hello", "count": None, "texts": None}
    with pytest.raises(InvalidRequest, match=message):
        read_values(graph, given)


def resolved(value: Any, scope: Mapping[str, Any]) -> Any:
    return resolved_within(value, scope, RunMemory(ChainSettings(), MemoryPool(2**30)).meter())


def test_references_in_values_and_texts() -> None:
    scope = {"inputs": {"n": 3, "list": [{"a": "x"}, None]}, "none": None}
    value = {"n": "$inputs.n", "text": "${inputs.n} of ${inputs.list.0.a}", "price": "$$5", "not": "$5 and $ and ${}"}
    assert resolved(value, scope) == {"n": 3, "text": "3 of x", "price": "$5", "not": "$5 and $ and ${}"}
    assert resolved(["$inputs.list", "$none.x.y", "x${none.y}"], scope) == [[{"a": "x"}, None], None, "x"]
    assert list(references(value)) == [
        Reference("inputs", ("n",)),
        Reference("inputs", ("n",)),
        Reference("inputs", ("list", "0", "a")),
    ]
    for path in ("$inputs.list.7", "$inputs.list.x", "$inputs.n.x", "$inputs.other"):
        with pytest.raises(InvalidRequest, match=f"\\{path}: there is no"):
            resolved(path, scope)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_what_holds_no_reference_stays_as_it_is(value: Any) -> None:
    if not list(references(value)) and "$" not in json.dumps(value):
        assert resolved(value, {}) == value
    assert resolved("$inputs.value", {"inputs": {"value": value}}) == value


@given(st.binary(max_size=200))
def test_whatever_is_sent_is_read_or_refused(payload: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        read_graph(payload, "WORKFLOW")


def test_functions() -> None:
    assert functions.call("join_texts", {"texts": ["a", None, "", "b"]}, 1000) == {"RESULT": "a b"}
    assert functions.call("first_of", {"values": [None, "", [], "x"]}, 1000) == {"RESULT": "x"}
    assert all(function.__doc__ for function in functions.FUNCTIONS.values())
