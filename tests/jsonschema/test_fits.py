"""jsonschema.fits: what does not fit a schema, and never what may fit; held against a whole validator."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.jsonschema.fits import misfit

WRONG: dict[str, tuple[dict[str, Any], Any, str]] = {
    "a type": ({"type": "object"}, [], "the arguments: it is not of type object"),
    "true is no number": ({"type": "integer"}, True, "it is not of type integer"),
    "several types": ({"type": ["string", "null"]}, 1, "it is not of type string or null"),
    "something missing": (
        {"properties": {"a": {"required": ["b"]}}},
        {"a": {}},
        "a.b: it is required",
    ),
    "a member too many": ({"additionalProperties": False}, {"x": 1}, "x: there is no such member"),
    "one of several": ({"enum": [1, "a"]}, "b", "it is none of the values"),
    "true is not 1": ({"enum": [1]}, True, "it is none of the values"),
    "the only one": ({"const": {"a": 1}}, {"a": 2}, "it is not the one value"),
    "an item": ({"items": {"type": "string"}}, ["a", 1], "[1]: it is not of type string"),
    "a first item": ({"prefixItems": [{"type": "null"}]}, [1], "[0]: it is not of type null"),
    "a referred one": (
        {"$defs": {"n": {"type": "number"}}, "properties": {"a": {"$ref": "#/$defs/n"}}},
        {"a": "x"},
        "a: it is not of type number",
    ),
    "none of some": ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "it is none of what"),
    "all of some": ({"allOf": [{"type": "number"}, {"minimum": 3}]}, 1, "less than minimum 3"),
    "too short": ({"minLength": 2}, "a", "less than minLength 2"),
    "too many": ({"maxItems": 1}, [1, 2], "more than maxItems 1"),
    "nothing": ({"properties": {"a": False}}, {"a": 1}, "a: nothing may stand here"),
}
FINE: dict[str, tuple[Any, Any]] = {
    "no schema": (None, {"a": 1}),
    "what is not known here": ({"if": {"type": "object"}, "then": False}, {}),
    "a pattern": ({"pattern": "^b$"}, "a"),
    "1.0 is whole": ({"type": "integer"}, 1.0),
    "an unknown type": ({"type": "any"}, 1),
    "a reference to nowhere": ({"$ref": "#/nowhere/at/all"}, 1),
    "a reference to elsewhere": ({"$ref": "https://example.invalid/a"}, 1),
    "pattern properties": ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {"xa": 1}),
    "a schema of nonsense": ({"type": 5, "required": "a", "properties": [], "enum": {}}, {"a": 1}),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_told_with_its_place(what: str) -> None:
    schema, value, words = WRONG[what]
    found = misfit(value, schema)
    assert found is not None
    assert words in found
    assert not jsonschema_rs.is_valid(schema, value)


@pytest.mark.parametrize("what", FINE)
def test_what_nobody_can_say_fits(what: str) -> None:
    schema, value = FINE[what]
    assert misfit(value, schema) is None


def test_a_schema_that_goes_round_and_one_that_explodes_end() -> None:
    assert misfit({}, {"$ref": "#"}) is None
    tree: dict[str, Any] = {"anyOf": [{"$ref": "#/$defs/a"}] * 20}
    assert misfit({"a": 1}, {"$defs": {"a": tree}, **tree}) is None
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert misfit(deep, {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}) is None


_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", "ab", "abc"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
_types = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null"])


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.one_of(_types, st.lists(_types, min_size=1, max_size=3, unique=True)),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "additionalProperties": inner,
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "enum": st.lists(_values, min_size=1, max_size=3),
            "const": _values,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "minimum": st.integers(-2, 2),
            "maxLength": st.integers(0, 2),
            "minItems": st.integers(0, 2),
            "$ref": st.just("#"),
        },
    )


@given(st.recursive(st.booleans(), _schemas, max_leaves=6), _values)
def test_what_is_told_wrong_is_wrong(schema: Any, value: Any) -> None:
    if not isinstance(schema, dict):
        return
    if misfit(value, schema) is not None:
        assert not jsonschema_rs.Draft202012Validator(schema).is_valid(value)
