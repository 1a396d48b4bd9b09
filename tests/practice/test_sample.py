"""Values made from JSON schemas."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from pointsman.practice.sample import sample


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "x"),
        ({"type": ["null", "string"]}, None),
        ({"type": []}, "x"),
        ({"enum": ["a", "b"]}, "a"),
        ({"enum": []}, "x"),
        ({"const": 3}, 3),
        ({"type": "integer", "default": 7}, 7),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, True),
        ({"type": "array", "items": {"type": "number"}}, [1.5]),
        ({"type": "array"}, []),
        ({"type": "object"}, {}),
        ({"properties": {"a": True, "b": {"type": "object", "properties": 3}}}, {"a": "x", "b": {}}),
        ({"$defs": {"T": {"type": "integer"}}, "properties": {"t": {"$ref": "#/$defs/T"}}}, {"t": 1}),
        ({"$ref": "#/$defs/Missing"}, "x"),
        ({"$ref": ["odd"]}, "x"),
    ],
)
def test_values(schema: dict[str, Any], value: Any) -> None:
    assert sample(schema, "x") == value


def test_a_schema_of_itself_ends_soon() -> None:
    many = {f"p{number}": {"$ref": "#/$defs/T"} for number in range(50)}
    started = time.monotonic()
    value = sample({"$defs": {"T": {"properties": many}}, "$ref": "#/$defs/T"}, "x")
    assert time.monotonic() - started < 1
    assert len(json.dumps(value)) < 1_000_000
