"""What is wrong with a JSON schema is said, and where, through the real server."""

from typing import Any

import pytest

from qwen_client import InvalidRequest


def at(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


CASES: list[tuple[Any, str]] = [
    ({"type": "strng"}, "Invalid type: strng$"),
    (at(a={"type": "integr"}), r"Invalid type: integr \(at properties\.a\)$"),
    (at(a=at(b={"type": 5})), r"type must be a string or array of strings \(at properties\.a\.properties\.b\)$"),
    (at(a=3), r"schema must be an object or boolean \(at properties\.a\)$"),
    ({"type": "object", "properties": [1]}, "properties must be an object$"),
    ({"type": "object", "required": "a"}, "Expected array for 'required', got \"a\"$"),
    ({"type": "array", "items": {"$ref": "#/$defs/no"}}, r"Pointer '/\$defs/no' does not exist \(at items\)$"),
    (at(p={"type": "string", "pattern": "[z-a]"}), r'pattern "\[z-a\]" .* the end \(at properties\.p\)$'),
    ({"$defs": {"x": {"type": "array", "uniqueItems": True}}, "$ref": "#/$defs/x"},
     r'Unimplemented keys: \["uniqueItems"\] \(at \$defs\.x\)$'),
    (at(rows={"type": "array", "items": at(x={"type": "number", "minimum": "low"})}),
     r"Expected f64 for 'minimum', got \"low\" \(at properties\.rows\.items\.properties\.x\)$"),
    (at(f={"type": "string", "format": "nope"}), r"Unknown format: nope \(at properties\.f\)$"),
    ({"not": {"type": "string"}}, r'Unimplemented keys: \["not"\]$'),
    ({"enum": []}, "anyOf is empty$"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "told"), CASES)
def test_what_is_wrong_with_a_schema_is_said_with_its_place(client, schema, told):
    with pytest.raises(InvalidRequest, match=f"^OPTIONS\\.json_schema cannot be used: .*{told}"):
        client.chat.complete("Good morning.", json_schema=schema)


def test_the_next_request_works(client):
    schema = {"type": "object", "properties": {"a": {"enum": [1]}}, "required": ["a"], "additionalProperties": False}
    assert client.chat.complete("Good morning.", json_schema=schema, max_tokens=400).json() == {"a": 1}
