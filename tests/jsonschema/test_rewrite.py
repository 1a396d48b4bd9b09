"""Schemas toward targets: what Anthropic takes, compared with its own SDK; what OpenAI enforces; what grammars stand."""

from __future__ import annotations

import copy
import re
import string
import warnings
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from anthropic import transform_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.jsonschema.regex import safe_pattern
from pointsman.jsonschema.rewrite import (
    Unsupported,
    for_anthropic,
    is_openai_strict,
    object_schema,
    safe_for_grammar,
)

Schema = dict[str, Any]


def closed(properties: Schema, required: list[str] | None = None, **more: Any) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
        **more,
    }


def subschemas(schema: Any) -> Iterator[Schema]:
    """Every schema in a schema; written apart from the code under test."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key in ("properties", "$defs", "definitions", "patternProperties"):
        for sub in schema.get(key, {}).values() if isinstance(schema.get(key), dict) else ():
            yield from subschemas(sub)
    for key in ("anyOf", "allOf", "oneOf", "prefixItems"):
        for sub in schema.get(key, ()) if isinstance(schema.get(key), list) else ():
            yield from subschemas(sub)
    for key in ("items", "additionalProperties", "not"):
        yield from subschemas(schema.get(key))


# -- random schemas

NAMES = st.sampled_from(["a", "b", "type", "pattern", "items", "$ref", "enum", "a-b", "ä", 'q"]'])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from(["x", "y", ""]))
PATTERNS = [
    r"^\d{3}$", r"^[\w-]+$", r"(?=a)b", r"^(?!x).*$", r"\S", r"^a\.b$", r"^(a|b)+$", "^x{3000}$", r"^(\d)\1$", "^$", "",
    r"^[^a]$", "^abc$", r"^\p{L}$", "^a|b$", r"^[+-]?\d+(\.\d+)?$", "^(", "^[$", "^a{,3}$", r"^a\$",
]  # fmt: skip


def leaves() -> st.SearchStrategy[Schema]:
    text = st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "format": st.sampled_from(["date-time", "email", "uri", "int32", "regex", 7]),
            "pattern": st.sampled_from(PATTERNS),
            "minLength": st.sampled_from([0, 1, 5000, -1, 1.5]),
            "maxLength": st.sampled_from([1, 20, 2000]),
            "description": st.sampled_from(["words", ""]),
            "default": SCALARS,
            "title": st.just("T"),
        },
    )
    number = st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number", ["integer", "null"]])},
        optional={
            "minimum": st.sampled_from([0, 1.5, -(2**60), 9]),
            "maximum": st.sampled_from([3, 10, 2**63]),
            "multipleOf": st.just(2),
        },
    )
    literal = st.fixed_dictionaries(
        {"enum": st.lists(SCALARS, max_size=3)},
        optional={"type": st.sampled_from(["string", "file"]), "const": st.sampled_from(["x", ["y"]])},
    )
    ref = st.sampled_from(
        [
            {"$ref": "#/$defs/A"},
            {"$ref": "#/$defs/B", "description": "see"},
            {"$ref": "#/$defs/none"},
            {"$ref": "#"},
            {"$ref": "https://example.com/s.json"},
            {"$ref": "#/$defs/A", "minLength": 3},
        ]
    )
    odd = st.sampled_from(
        [{}, {"description": "any"}, {"not": {"type": "string"}}, {"type": "null"}, {"type": []}]
    )
    return st.one_of(text, number, literal, ref, odd)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    names = st.lists(NAMES, max_size=3)
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=4)},
            optional={
                "required": names,
                "additionalProperties": st.one_of(st.booleans(), inner),
                "patternProperties": st.dictionaries(st.just("^x"), inner, max_size=1),
                "minProperties": st.just(1),
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("array")},
            optional={
                "items": st.one_of(inner, st.booleans(), st.lists(inner, max_size=2)),
                "minItems": st.sampled_from([0, 1, 3, 4000]),
                "maxItems": st.sampled_from([2, 900]),
                "uniqueItems": st.just(True),
            },
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, max_size=3)}, optional={"description": st.just("u")}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, max_size=2)}, optional={"type": st.just("object")}),
        st.fixed_dictionaries({"type": st.just("object"), "anyOf": st.lists(inner, max_size=2)}),
    )


TREES = st.recursive(leaves(), nested, max_leaves=8)


@st.composite
def roots(draw: st.DrawFn) -> Schema:
    schema = dict(draw(TREES))
    if draw(st.booleans()):
        schema["$defs"] = {"A": draw(TREES), "B": draw(TREES)}
    if draw(st.booleans()):
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema


# -- for_anthropic


FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
SUBSET = {
    "type", "title", "description", "properties", "required", "additionalProperties", "items", "minItems", "enum", "const",
    "anyOf", "$ref", "$defs", "definitions", "format", "pattern",
}  # fmt: skip


def assert_in_subset(schema: Schema) -> None:
    """The subset as docs/protocols/requests.md#anthropics-schema-subset writes it down."""
    optional = unions = 0
    for sub in subschemas(schema):
        assert sub.keys() <= SUBSET, sub
        if "$ref" in sub:
            assert re.fullmatch(r"#/(\$defs|definitions)/[^/]+", sub["$ref"])
            group, name = sub["$ref"][2:].split("/")
            assert name in schema[group]
            assert sub.keys() <= {"$ref", "$defs", "definitions"}
        else:
            assert sub.keys() & {"type", "enum", "const", "anyOf"}, sub
        kinds = sub.get("type", ())
        if "object" in ([kinds] if isinstance(kinds, str) else kinds):
            assert sub["additionalProperties"] is False
            assert set(sub.get("required", ())) <= set(sub["properties"])
            optional += len(set(sub["properties"]) - set(sub.get("required", ())))
        unions += "anyOf" in sub or isinstance(kinds, list)
        assert sub.get("minItems", 0) in (0, 1)
        assert sub.get("format", "uri") in FORMATS
        assert "(?=" not in sub.get("pattern", "")
        assert "(?!" not in sub.get("pattern", "")
        assert all(value is None or isinstance(value, str | int | float) for value in sub.get("enum", ()))
    assert optional <= 24
    assert unions <= 16


@settings(max_examples=150, deadline=None)
@given(roots())
def test_anthropic_subset_never_mutates_and_does_not_change_twice(schema: Schema) -> None:
    before = copy.deepcopy(schema)
    try:
        out, moved = for_anthropic(schema)
    except Unsupported as error:
        assert str(error)
        assert schema == before
        return
    assert schema == before
    assert_in_subset(out)
    assert len(moved) == len(set(moved))
    again, more = for_anthropic(out)
    assert msgspec.json.encode(again) == msgspec.json.encode(out), "the same to the byte"
    assert more == []


SAME_AS_SDK: list[Schema] = [
    {"type": "integer", "minimum": 1, "maximum": 10, "description": "A number"},
    {"type": "string", "format": "uri"},
    {"type": "string", "format": "regex"},
    {"type": "string", "minLength": 2},
    {"type": "array", "items": {"type": "string"}, "minItems": 1},
    {"type": "array", "items": {"type": "string"}, "maxItems": 4, "minItems": 2},
    {"type": "array"},
    closed({"a": {"type": "string"}, "b": {"type": "boolean", "title": "B"}}),
    {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"], "title": "X"},
    closed({"a": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "maybe"}}),
    closed({"a": {"oneOf": [{"type": "string"}, {"type": "integer"}]}}),
    closed({"a": {"enum": ["x", "y", None]}}),
    closed({"a": {"const": "x"}}),
    {"$defs": {"A": closed({"x": {"type": "number"}})}, "$ref": "#/$defs/A"},
    closed({"a": {"$ref": "#/$defs/A"}}, **{"$defs": {"A": {"type": "string"}}}),
    closed({"a": {"type": "number", "default": 3}}),
]  # fmt: skip


@pytest.mark.parametrize("schema", SAME_AS_SDK)
def test_as_the_vendors_sdk_does(schema: Schema) -> None:
    ours, _ = for_anthropic(schema)
    assert ours == transform_schema(schema)


def test_where_the_sdk_means_something_else() -> None:
    """Each with the reason that stands at the head of schema_subset.py."""
    # A map: the SDK makes it an object that can only be empty.
    for schema in (
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object"},
        closed({"a": {"type": "object", "additionalProperties": True}}),
    ):
        assert transform_schema(schema)
        with pytest.raises(Unsupported, match="fixed properties"):
            for_anthropic(schema)
    # allOf: the SDK closes each branch, so that nothing fits both.
    branches = {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                          {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}]}  # fmt: skip
    assert for_anthropic(branches)[0] == closed({"a": {"type": "string"}, "b": {"type": "string"}})
    assert "allOf" in transform_schema(branches)
    # Beside a reference: the SDK drops the words.
    described = closed(
        {"a": {"$ref": "#/$defs/A", "description": "which"}}, **{"$defs": {"A": {"type": "string"}}}
    )
    assert for_anthropic(described)[0]["properties"]["a"] == {"description": "which", "type": "string"}
    assert transform_schema(described)["properties"]["a"] == {"$ref": "#/$defs/A"}
    # A list of types: the SDK raises.
    nullable = closed({"a": {"type": ["string", "null"], "maxLength": 3}})
    assert for_anthropic(nullable)[0]["properties"]["a"]["type"] == ["string", "null"]
    with pytest.raises(AssertionError):
        transform_schema(nullable)
    # type beside enum, and patterns: the API takes both.
    literal = closed({"a": {"type": "string", "enum": ["x"]}, "b": {"type": "string", "pattern": "^[a-z]+$"}})
    assert for_anthropic(literal) == (literal, [])
    assert "type" not in transform_schema(literal)["properties"]["a"]
    # Values in words are JSON, not Python.
    default = closed({"a": {"type": "string", "default": None}})
    assert for_anthropic(default)[0]["properties"]["a"]["description"] == "{default: null}"
    assert transform_schema(default)["properties"]["a"]["description"] == "{default: None}"
    # What tells a model nothing is left out.
    named = closed({"a": {"type": "string"}}, **{"$schema": "https://json-schema.org/draft/2020-12/schema"})
    assert for_anthropic(named) == (closed({"a": {"type": "string"}}), [])
    assert "$schema" in transform_schema(named)["description"]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (
            closed({"a": {"$ref": "#/$defs/A"}}, **{"$defs": {"A": closed({"b": {"$ref": "#/$defs/A"}})}}),
            "itself",
        ),
        (closed({"a": {"$ref": "#"}}), "itself"),
        (closed({"a": {"$ref": "https://example.com/s"}}), "out of the schema"),
        (closed({"a": {"$ref": "#/$defs/none"}}), "nowhere"),
        (closed({f"p{i}": {"type": "string"} for i in range(25)}, []), "optional"),
        (closed({f"p{i}": {"type": ["string", "null"]} for i in range(17)}), "several types"),
        (closed({"a": {}}), "any value"),
        (closed({"a": True}), "any value"),
        (closed({"a": {"type": "file"}}), "not a type"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "hold at once"),
        ({"anyOf": []}, "not a list"),
    ],
)
def test_what_cannot_be_enforced_is_said_so(schema: Schema, why: str) -> None:
    with pytest.raises(Unsupported, match=why):
        for_anthropic(schema)


def test_limits_are_the_documented_ones() -> None:
    for_anthropic(closed({f"p{i}": {"type": "string"} for i in range(24)}, []))
    for_anthropic(closed({f"p{i}": {"type": ["string", "null"]} for i in range(16)}))


def test_nesting_without_an_end_is_refused_not_followed() -> None:
    schema: Schema = {"type": "string"}
    for _ in range(20_000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(Unsupported):
        for_anthropic(schema)
    assert not is_openai_strict(closed({"a": schema}))
    out, changed = safe_for_grammar(schema)
    assert changed
    assert msgspec.json.encode(out)
    # References that double at each step.
    defs = {f"D{i}": {"anyOf": [{"$ref": f"#/$defs/D{i + 1}", "title": "x"}] * 2} for i in range(30)}
    with pytest.raises(Unsupported):
        for_anthropic({"$ref": "#/$defs/D0", "$defs": {**defs, "D30": {"type": "string"}}})


def test_what_moved_is_named_and_said() -> None:
    schema = closed(
        {"age": {"type": "integer", "minimum": 0, "description": "In years"},
         "tags": {"type": "array", "items": {"type": "string", "maxLength": 9}, "uniqueItems": True}}
    )  # fmt: skip
    out, moved = for_anthropic(schema)
    assert out["properties"]["age"] == {"type": "integer", "description": "In years\n\n{minimum: 0}"}
    assert moved == [
        "properties.age.minimum",
        "properties.tags.items.maxLength",
        "properties.tags.uniqueItems",
    ]
    assert list(out) == list(schema), "keys keep their order"


def test_a_union_takes_what_stands_beside_it() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "additionalProperties": False,
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    out, _ = for_anthropic(schema)
    both = {"a": {"type": "string"}, "b": {"type": "string"}}
    assert out["anyOf"] == [closed(both, ["a"]), closed(both, ["b"])]


# -- safe_for_grammar


def assert_safe(schema: Schema) -> None:
    for sub in subschemas(schema):
        kinds = sub.get("type", ())
        assert all(one in ("object", "array", "string", "integer", "number", "boolean", "null")
                   for one in ([kinds] if isinstance(kinds, str) else kinds))  # fmt: skip
        assert not sub.keys() & {
            "not",
            "if",
            "patternProperties",
            "uniqueItems",
            "multipleOf",
            "propertyNames",
        }
        for key in ("minLength", "maxLength", "minItems", "maxItems"):
            assert 0 <= sub.get(key, 0) < 2000
        pattern = sub.get("pattern")
        if pattern is not None:
            assert pattern.startswith("^")
            assert pattern.endswith("$")
            assert "\\" not in pattern
            assert "(?" not in pattern
            assert "[^" not in pattern
            assert '"' not in pattern
        assert sub.get("$ref", "#/").startswith("#/")
        assert sub.get("enum", ["x"])


@settings(max_examples=150, deadline=None)
@given(roots())
def test_grammar_safety_never_mutates_and_does_not_change_twice(schema: Schema) -> None:
    before = copy.deepcopy(schema)
    out, changed = safe_for_grammar(schema)
    assert schema == before
    assert_safe(out)
    again, more = safe_for_grammar(out)
    assert again is out
    assert more == []
    if out == schema:
        assert out is schema
        assert changed == []


@pytest.mark.parametrize(
    ("pattern", "safe"),
    [
        (r"^\d{4}-\d{2}$", "^[0-9]{4}-[0-9]{2}$"),  # llama.cpp#27580
        (r"^[\w-]+$", "^[A-Za-z0-9_-]+$"),
        (r"^(?:anon-)?\d{11,}$", "^(anon-)?[0-9]{11,}$"),  # llama.cpp#16714
        (r"^a\.b$", "^a[.]b$"),
        (r"^[+-]?\d+(\.\d+)?$", "^[+-]?[0-9]+([.][0-9]+)?$"),
        ("^(red|green)$", "^(red|green)$"),
        (r"\S", None),  # llama.cpp#26930
        ("abc", None),
        (r"^(?!\.)a$", None),
        (r"^(a)\1$", None),
        ("^.*$", None),
        ("^[^a]$", None),
        ("^a|b$", None),  # each side is anchored at one end only
        (r"^a\$", None),
        ("^a+?$", None),
        ("^(a{50}){50}$", None),
        ("^a{2000}$", None),
        ("^", None),
        ("", None),
        (r"^\[$", None),
        ("^[a&&b]$", None),
        ("^(a$", None),
        ("^[z-a]$", None),
        ("^" + "(" * 40 + "a" + ")" * 40 + "$", None),
    ],
)
def test_patterns(pattern: str, safe: str | None) -> None:
    assert safe_pattern(pattern) == safe


@settings(max_examples=150, deadline=None)
@given(
    st.text(alphabet="ab01(){}[]|?*+\\dw.-^$,", max_size=12),
    st.text(alphabet=string.printable[:75], max_size=8),
)
def test_a_safe_pattern_means_what_the_first_one_meant(inside: str, text: str) -> None:
    safe = safe_pattern(f"^{inside}$")
    if safe is None:
        return
    assert safe_pattern(safe) == safe
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Python's own, about the first one
        first = re.compile(f"^{inside}$", re.ASCII)
    second = re.compile(safe, re.ASCII)
    assert bool(first.fullmatch(text)) == bool(second.fullmatch(text))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([r"^\d{4}-\d{2}$", r"^[\w.-]+$", r"^(a|bc)+\d?$", r"^[+-]?\d+(\.\d+)?$"]), st.data())
def test_what_matched_still_matches(pattern: str, data: st.DataObject) -> None:
    safe = safe_pattern(pattern)
    assert safe is not None
    text = data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))
    assert re.fullmatch(safe, text)


def test_one_bad_pattern_becomes_words_and_names_stay_names() -> None:
    schema = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": r"^(?=x)\d+$", "description": "The id"},
            "pattern": {"type": "string", "maxLength": 100_000},
            "kind": {"type": "file"},
        },
    }
    out, changed = safe_for_grammar(schema)
    assert out["properties"]["id"] == {"type": "string", "description": "The id\n\n{pattern: ^(?=x)\\d+$}"}
    assert out["properties"]["pattern"] == {"type": "string", "description": "{maxLength: 100000}"}
    assert out["properties"]["kind"] == {}
    assert changed == ["properties.id.pattern", "properties.pattern.maxLength", "properties.kind.type"]


def test_repetitions_within_repetitions_are_counted() -> None:
    schema = {"type": "array", "maxItems": 100, "items": {"type": "string", "maxLength": 50}}
    out, changed = safe_for_grammar(schema)
    assert out["maxItems"] == 100
    assert "maxLength" not in out["items"]
    assert changed == ["items.maxLength"]


def test_left_recursion_is_cut_and_other_recursion_stays() -> None:
    tree = {
        "$ref": "#/$defs/T",
        "$defs": {"T": {"type": "object", "properties": {"next": {"$ref": "#/$defs/T"}}}},
    }
    assert safe_for_grammar(tree) == (tree, [])
    loop = {"$ref": "#/$defs/T", "$defs": {"T": {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]}}}
    out, changed = safe_for_grammar(loop)
    assert "$ref" not in out
    assert changed == ["$ref", "$defs.T.anyOf[0].$ref"]


# -- object_schema


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.none(), roots()))
def test_a_tools_schema_is_an_object_at_its_top(schema: Schema | None) -> None:
    before = copy.deepcopy(schema)
    out = object_schema(schema)
    assert schema == before
    assert out["type"] == "object"
    assert isinstance(out["properties"], dict)
    assert not out.keys() & {"anyOf", "oneOf", "allOf", "$ref"}
    assert object_schema(out) is out


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"type": "object"}, {"type": "object", "properties": {}}),
        (
            {"properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        ({"type": ["object", "null"], "properties": {}}, {"type": "object", "properties": {}}),
        (
            {"type": "string"},
            {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]},
        ),
        (
            {
                "anyOf": [
                    closed({"a": {"type": "string"}}),
                    closed({"b": {"type": "integer"}}),
                    {"type": "null"},
                ]
            },
            {
                "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                "type": "object",
                "additionalProperties": False,
            },
        ),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": closed({"x": {"type": "number"}})}},
            {**closed({"x": {"type": "number"}}), "$defs": {"A": closed({"x": {"type": "number"}})}},
        ),
    ],
)
def test_shapes_of_tools(schema: Schema | None, expected: Schema) -> None:
    assert object_schema(schema) == expected


def test_what_a_union_at_the_top_required_is_said_in_words() -> None:
    out = object_schema(
        {
            "type": "object",
            "properties": {"a": {}, "b": {}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        }
    )
    assert "required" not in out
    assert '{"required":["b"]}' in out["description"]


# -- is_openai_strict


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (closed({"a": {"type": "string"}}), True),
        (closed({}), True),
        (closed({"a": {"type": ["string", "null"]}, "b": {"enum": [1, 2], "type": "integer"}}), True),
        (closed({"a": {"$ref": "#/$defs/A"}}, **{"$defs": {"A": closed({"b": {"$ref": "#"}})}}), True),
        (closed({"properties": {"type": "array", "items": {"type": "string"}}}), True),
        (closed({"a": {"type": "string"}}, []), False),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, False),
        (closed({"a": {"type": "object", "properties": {}}}), False),
        (
            closed({"a": {"$ref": "#/$defs/A", "description": "x"}}, **{"$defs": {"A": {"type": "string"}}}),
            False,
        ),
        (closed({"a": {"allOf": [{"type": "string"}]}}), False),
        (closed({"a": {"type": "string", "default": "x"}}), False),
        (closed({"a": {"type": "string", "format": "uri"}}), False),
        (closed({"a": {"type": "string", "pattern": "(?=x)"}}), False),
        (closed({"a": {}}), False),
        (closed({"a": True}), False),
        (closed({"a": {"type": "array"}}), False),
        ({"type": "array", "items": {"type": "string"}}, False),
        ({}, False),
    ],
)
def test_openai_strict(schema: Schema, strict: bool) -> None:
    assert is_openai_strict(schema) is strict


@settings(max_examples=100, deadline=None)
@given(roots())
def test_strictness_of_anything_can_be_asked(schema: Schema) -> None:
    before = copy.deepcopy(schema)
    assert is_openai_strict(schema) in (True, False)
    assert schema == before
