"""wire.splice on every kind of body: tables, random JSON with random white space, and bodies made to cost time.

test_splice.py has the rules in short; here they are tried on what nobody writes by hand.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.wire.depth import depth_exceeds
from pointsman.wire.splice import (
    MAX_DEPTH,
    MAX_KEYS,
    MAX_MODEL,
    find_values,
    peek,
    replace_model,
    set_flag,
)

CHEAP = settings(max_examples=120, deadline=None)


def refused(body: bytes) -> PointsmanError:
    with pytest.raises(PointsmanError) as caught:
        peek(body)
    assert caught.value.status == 400
    assert caught.value.public.isprintable()
    return caught.value


# -- peek


@pytest.mark.parametrize(
    ("body", "model", "stream"),
    [
        (b'{"model":"m"}', "m", None),
        (b' \r\n\t{ "model" : "m" , "stream" : true }\n ', "m", True),
        (b'{"stream":false,"model":"m"}', "m", False),
        (b'{"stream":null,"model":"m"}', "m", None),
        (b'{"mod\\u0065l":"m"}', "m", None),
        (b'{"model":"\\u0061\\/b"}', "a/b", None),
        (b'{"model":"caf\xc3\xa9"}', "caf\u00e9", None),
        (b'{"model":"m","x":{"model":"n"},"y":["model"],"z":"model"}', "m", None),
        (b'{"model":"m","x":1e999,"y":12345678901234567890123}', "m", None),
        (b'{"Model":"n","model":"m","MODEL":"o"}', "m", None),
        (b'{"model":"' + b"m" * MAX_MODEL + b'"}', "m" * MAX_MODEL, None),
    ],
)
def test_peek_reads(body: bytes, model: str, stream: bool | None) -> None:
    found = peek(body)
    assert (found.model, found.stream) == (model, stream)


@pytest.mark.parametrize(
    ("body", "words", "param"),
    [
        (b"", "not valid JSON", None),
        (b"{", "not valid JSON", None),
        (b'{"model":"m"', "not valid JSON", None),
        (b'{"model":"m"}}', "not valid JSON", None),
        (b'{"model":"m"} {"model":"n"}', "not valid JSON", None),
        (b'\xef\xbb\xbf{"model":"m"}', "not valid JSON", None),
        ('{"model":"m"}'.encode("utf-16"), "not valid JSON", None),
        (b"{'model':'m'}", "not valid JSON", None),
        (b'{"model":"m",}', "not valid JSON", None),
        (b'{"model":"m","x":NaN}', "not valid JSON", None),
        (b'{"model":"m","x":01}', "not valid JSON", None),
        (b'{"model":"m","x":"\\q"}', "not valid JSON", None),
        (b'{"model":"m","x":"\n"}', "not valid JSON", None),
        (b'{"model":"m" /* c */}', "not valid JSON", None),
        (b'{"model":"\xff"}', "not valid JSON", None),
        (b"model=m", "not valid JSON", None),
        (b"null", "must be a JSON object", None),
        (b"[]", "must be a JSON object", None),
        (b'"model"', "must be a JSON object", None),
        (b"{}", "no 'model'", "model"),
        (b'{"model":""}', "no 'model'", "model"),
        (b'{"model":null}', "no 'model'", "model"),
        (b'{"x":{"model":"m"}}', "no 'model'", "model"),
        (b'{"model":7}', "'model' must be a string", "model"),
        (b'{"model":["m"]}', "'model' must be a string", "model"),
        (b'{"model":"m","stream":1}', "'stream' must be true or false", "stream"),
        (b'{"model":"m","stream":"true"}', "'stream' must be true or false", "stream"),
        (b'{"model":"' + b"m" * (MAX_MODEL + 1) + b'"}', "longer than", "model"),
    ],
)
def test_peek_refuses(body: bytes, words: str, param: str | None) -> None:
    error = refused(body)
    assert words in error.public
    assert error.param == param


SPELLINGS = [b'"model"', b'"\\u006dodel"', b'"mode\\u006c"', b'"\\u006D\\u006f\\u0064\\u0065\\u006C"']
BETWEEN = [b"", b'"x":1,', b'"x":{"model":"n"},', b'"x":"\\"model\\":",', b'"x":"' + b"y" * 9000 + b'",']


@pytest.mark.parametrize("second", SPELLINGS)
@pytest.mark.parametrize("first", SPELLINGS)
@pytest.mark.parametrize("between", BETWEEN, ids=lambda value: repr(value[:20]))
@pytest.mark.parametrize("space", [b"", b" "])
def test_a_second_model_is_refused_in_every_spelling(
    first: bytes, second: bytes, between: bytes, space: bytes
) -> None:
    error = refused(b"{" + first + b':"a",' + between + second + space + b":" + space + b'"b"}')
    assert "twice" in error.public
    assert error.param == "model"


@pytest.mark.parametrize("filler", [b"", b'"f":"' + b"y" * 9000 + b'",'], ids=["small", "large"])
@pytest.mark.parametrize(
    "body",
    [
        b'"model":"a","x":{"model":"b","model":"c"}}',
        b'"x":"\\u006d","model":"a"}',
        b'"x":"\\"model\\":","y":["model","model"],"model":"a"}',
        b'"model":"a","mod\\u0065":"b"}',
        b'"model":"a","\\u004dodel":"b"}',
        b'"model":"model"}',
    ],
)
def test_what_only_looks_like_a_second_model_is_none(body: bytes, filler: bytes) -> None:
    whole = b"{" + filler + body
    peek(whole)
    assert len(find_values(whole, "model")) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","\xff":1}',
        b'{"model":"m","\xff":1,"x":"\\u0041"}',
        b'{"model":"m","\xff":1,"y":"model","x":{"model":1}}',
        b'{"\xed\xa0\x80":1,"model":"m"}',
        b'{"\xff":"' + b"y" * 9000 + b'","model":"m"}',
    ],
)
def test_a_key_that_is_not_utf8_is_the_clients_mistake_not_a_crash(body: bytes) -> None:
    for use in (peek, lambda b: replace_model(b, "n"), lambda b: set_flag(b, "x", "y")):
        try:
            use(body)
        except PointsmanError as error:
            assert error.status == 400


# -- depth


def nested(depth: int, opener: bytes, filler: bytes = b"") -> bytes:
    """A body `depth` levels deep, its own object counted."""
    closer = {b"[": b"]", b'{"a":': b"}"}[opener]
    inner = depth - 1
    return b'{"model":"m",' + filler + b'"x":' + opener * inner + b"1" + closer * inner + b"}"


FILLERS = [
    b"",
    b'"s":"[[[[{{{{",' * 60,
    b'"s":"]]]}}}",' * 60,
    b'"s":"\\"[[[\\\\",' * 60,
    b'"s":"\\\\\\"{{{{",' * 60,
    b'"s":"\\\\",' * 200,
    b'"s":[[]],' * 200,
    b'"\\"[[[":"\\u005c","t":"\\u0022[[",' * 60,
    b'"t":[{"s":"[[[["},{"s":[[{"u":"\\\\"}]]}], ' * 60,
    b'"s":"' + b"[" * 5000 + b'",',
]


@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
@pytest.mark.parametrize("filler", FILLERS, ids=lambda value: repr(value[:20]))
def test_depth_128_is_served_and_129_is_not(opener: bytes, filler: bytes) -> None:
    assert json.loads(nested(MAX_DEPTH, opener, filler))
    peek(nested(MAX_DEPTH, opener, filler))
    assert "deeper than 128" in refused(nested(MAX_DEPTH + 1, opener, filler)).public


def test_a_body_of_brackets_alone_is_refused_not_a_crash() -> None:
    for body in (b'{"model":"m","x":' + b"[" * 1_000_000, b"[" * 1_000_000, nested(100_000, b"[")):
        refused(body)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


tricky_text = st.text(alphabet='[]{}"\\/u005c:, a\u00e9\n', max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | tricky_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(tricky_text, inner, max_size=3),
    max_leaves=12,
)


@CHEAP
@given(values, st.integers(0, 6), st.booleans(), st.booleans())
def test_depth_of_random_json(value: Any, limit: int, ascii_only: bool, compact: bool) -> None:
    separators = (",", ":") if compact else (", ", " : ")
    body = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()
    assert depth_exceeds(body, limit) == (depth_of(value) > limit)


# -- random bodies with random white space, and where their values stand


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may come twice."""


@st.composite
def spaced(draw: st.DrawFn, value: Any) -> bytes:
    """JSON text of a value with random white space and random escapes in its strings."""
    dice = Random(draw(st.integers(0, 2**32)))
    roomy = dice.random() < 0.7

    def space() -> bytes:
        return dice.choice([b"", b"", b" ", b"\n", b"\t\r\n "]) if roomy else b""

    def text(string: str) -> bytes:
        plain = json.dumps(string, ensure_ascii=dice.random() < 0.5)
        if dice.random() < 0.25:
            plain = '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in string) + '"'
        return plain.encode()

    def write(value: Any) -> Iterator[bytes]:
        if isinstance(value, Pairs):
            yield from write_pairs(value)
        elif isinstance(value, dict):
            yield from write_pairs(list(value.items()))
        elif isinstance(value, list):
            yield b"[" + space()
            for i, item in enumerate(value):
                yield (b"," if i else b"") + space()
                yield from write(item)
                yield space()
            yield b"]"
        elif isinstance(value, str):
            yield text(value)
        else:
            yield json.dumps(value).encode()

    def write_pairs(pairs: list[tuple[str, Any]]) -> Iterator[bytes]:
        yield b"{" + space()
        for i, (key, item) in enumerate(pairs):
            yield (b"," if i else b"") + space() + text(key) + space() + b":" + space()
            yield from write(item)
            yield space()
        yield b"}"

    return space() + b"".join(write(value)) + space()


@st.composite
def bodies(draw: st.DrawFn) -> tuple[Pairs, bytes]:
    """(its pairs in order, its text) of an object with `model` once and other keys at random, twice too."""
    keys = (
        st.sampled_from(["stream_options", "messages", "x", "a\\", '"', "", "modell", "Model"]) | tricky_text
    )
    pairs = [pair for pair in draw(st.lists(st.tuples(keys, values), max_size=5)) if pair[0] != "model"]
    pairs.insert(draw(st.integers(0, len(pairs))), ("model", draw(tricky_text.filter(bool))))
    return Pairs(pairs), draw(spaced(Pairs(pairs)))


@CHEAP
@given(bodies())
def test_find_values_finds_every_value_where_it_stands(body: tuple[Pairs, bytes]) -> None:
    pairs, text = body
    for key in {key for key, _ in pairs}:
        found = [json.loads(text[start:end]) for start, end in find_values(text, key)]
        assert found == [value for k, value in pairs if k == key]
        assert all(text[start:end].strip() == text[start:end] for start, end in find_values(text, key))
    assert find_values(text, "not there") == []


@CHEAP
@given(bodies(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8))
def test_replace_model_touches_nothing_else(body: tuple[Pairs, bytes], new: str) -> None:
    pairs, text = body
    assert peek(text).model == dict(pairs)["model"]
    changed = replace_model(text, new)
    ((start, end),) = find_values(text, "model")
    tail = text[end:]
    assert changed.startswith(text[:start])
    assert changed.endswith(tail)
    assert json.loads(changed[start : len(changed) - len(tail)]) == new
    before = json.loads(text, object_pairs_hook=Pairs)
    expected = Pairs((key, new if key == "model" else value) for key, value in before)
    assert json.loads(changed, object_pairs_hook=Pairs) == expected
    assert peek(changed).model == new


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"a"}', b'{"model":"b"}'),
        (b'{ "model" :\t"a" , "x":1}', b'{ "model" :\t"b" , "x":1}'),
        (b'{"x":{"model":"a"},"model":"a"}', b'{"x":{"model":"a"},"model":"b"}'),
        (b'{"model":"a","a":12,"a":1}', b'{"model":"b","a":12,"a":1}'),
        (b'{"a":12,"a":1,"model":"a"}', b'{"a":12,"a":1,"model":"b"}'),
        (b'{"a":1,"a":12,"model":"a"}', b'{"a":1,"a":12,"model":"b"}'),
        (b'{"a":"}","a":{"b":"]"},"a":true,"model":"a"}', b'{"a":"}","a":{"b":"]"},"a":true,"model":"b"}'),
        (b'{"a": 1 ,"a": -2.5e3 ,"model":"a"}', b'{"a": 1 ,"a": -2.5e3 ,"model":"b"}'),
        (b'{"a":[1,[2]],"a":[1],"model":"a"}', b'{"a":[1,[2]],"a":[1],"model":"b"}'),
        (b'{"a":null,"a":false,"model":"a"}', b'{"a":null,"a":false,"model":"b"}'),
        (b'{"mod\\u0065l":"\\u0061"}', b'{"mod\\u0065l":"b"}'),
    ],
)
def test_replace_model(body: bytes, expected: bytes) -> None:
    assert replace_model(body, "b") == expected


def test_a_new_model_name_is_written_as_json() -> None:
    assert replace_model(b'{"model":"a"}', 'x"\\\n\u00e9') == b'{"model":"x\\"\\\\\\n\xc3\xa9"}'


# -- set_flag


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"m"}', b'{"model":"m","stream_options":{"include_usage":true}}'),
        (b'{"model":"m" }\n', b'{"model":"m" ,"stream_options":{"include_usage":true}}\n'),
        (b'{"model":"m","stream_options":null}', b'{"model":"m","stream_options":{"include_usage":true}}'),
        (b'{"stream_options":{},"model":"m"}', b'{"stream_options":{"include_usage":true},"model":"m"}'),
        (b'{"stream_options":{ },"model":"m"}', b'{"stream_options":{"include_usage":true },"model":"m"}'),
        (b'{"stream_options":{"a":1}}', b'{"stream_options":{"include_usage":true,"a":1}}'),
        (b'{"stream_options":{"include_usage":false}}', b'{"stream_options":{"include_usage":true}}'),
        (
            b'{"stream_options":{"include_usage" : null,"a":1}}',
            b'{"stream_options":{"include_usage" : true,"a":1}}',
        ),
        (
            b'{"x":{"stream_options":1}}',
            b'{"x":{"stream_options":1},"stream_options":{"include_usage":true}}',
        ),
        (b'{"stream_options":{"include_usage":true}}', None),
        (b'{"stream_options":{"include_usage":true,"a":1}}', None),
        (b'{"stream_options":{"include_usage":"yes"}}', None),
        (b'{"stream_options":[]}', None),
        (b'{"stream_options":1}', None),
        (b'{"stream_options":{},"stream_options":{}}', None),
        (b'{"stream_options":{"include_usage":false,"include_usage":false}}', None),
    ],
)
def test_set_flag(body: bytes, expected: bytes | None) -> None:
    assert set_flag(body, "stream_options", "include_usage") == expected


options = st.none() | st.dictionaries(
    st.sampled_from(["include_usage", "include_obfuscation", "x"]),
    st.booleans() | st.none() | tricky_text,
    max_size=3,
)


@st.composite
def with_options(draw: st.DrawFn) -> bytes:
    pairs, _ = draw(bodies())
    kept = [pair for pair in pairs if pair[0] != "stream_options"]
    if draw(st.booleans()):
        kept.insert(draw(st.integers(0, len(kept))), ("stream_options", draw(options)))
    return draw(spaced(Pairs(kept)))


@CHEAP
@given(with_options())
def test_asking_for_usage_changes_nothing_else(text: bytes) -> None:
    asked = set_flag(text, "stream_options", "include_usage")
    said = json.loads(text).get("stream_options") or {}
    if asked is None:
        assert said.get("include_usage") not in (None, False)
        return
    assert json.loads(asked)["stream_options"] == {**said, "include_usage": True}
    assert set_flag(asked, "stream_options", "include_usage") is None
    before, after = (
        [p for p in json.loads(t, object_pairs_hook=Pairs) if p[0] != "stream_options"] for t in (text, asked)
    )
    assert after == before


# -- costs: one request must not hold the loop


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"model":"m",' + b'"a":1,' * (MAX_KEYS - 100) + b'"a":2,"b":"\\u0041"}', id="twins"),
        pytest.param(b'{"model":"m","' + b"k" * 8_000_000 + b'":1,"b":"\\u0041"}', id="long key"),
        pytest.param(b'{"model":"m","a":"' + b"k" * 8_000_000 + b'","a":1,"b":"\\u0041"}', id="long twin"),
        pytest.param(b'{"model":"m","a":"' + b"\\\\" * 4_000_000 + b'","b":"\\u0041"}', id="backslashes"),
        pytest.param(b'{"model":"m","a":[' + b"[]," * 1_000_000 + b"[]]}", id="brackets"),
        pytest.param(b'{"model":"m","a":"' + b'\\"[' * 1_000_000 + b'"}', id="brackets in a string"),
        pytest.param(b'{"model":"m","a":1' + b" " * 4_000_000 + b',"a":2,"b":"\\u0041"}', id="spaces"),
    ],
)
def test_a_hostile_body_costs_linear_time(body: bytes) -> None:
    started = time.process_time()
    peek(body)
    assert time.process_time() - started < 1.5  # quadratic would be minutes


def test_too_many_top_level_keys_are_refused_where_they_must_be_walked() -> None:
    body = b'{"model":"m",' + b'"a":1,' * 300_000 + b'"a":2,"b":"\\u0041"}'
    assert "keys" in refused(body).public
