"""Which requests are the same: whatever is written otherwise and means the same has one key; each change of meaning another."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.dialects.paths import route
from pointsman.routing.specs import MappingSpec
from pointsman.translation.same_request import Unlike, canonical

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
RULE = MappingSpec(1, "*", 0, (), cache_seconds=60)

PROVED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
scalars = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(-1e9, 1e9) | names
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
schemas = st.dictionaries(
    st.sampled_from(["type", "properties", "cache_control", "required"]), values, max_size=3
)
MARK = {"cache_control": {"type": "ephemeral"}}


@st.composite
def requests(draw: st.DrawFn, path: str) -> dict[str, Any]:
    """A request of that protocol with what its clients say."""
    text = draw(names)
    body: dict[str, Any] = {"model": draw(st.sampled_from(["a", "b"])), "temperature": 0}
    if path == CHAT:
        body["messages"] = [
            {"role": "system", "content": draw(names)},
            {"role": "user", "content": [{"type": "text", "text": text}]},
        ]
        body["tools"] = [{"type": "function", "function": {"name": "f", "parameters": draw(schemas)}}]
    elif path == MESSAGES:
        result = {
            "type": "tool_result",
            "tool_use_id": "t",
            "content": [{"type": "text", "text": draw(names)}],
        }
        body |= {"max_tokens": draw(st.integers(1, 9)), "system": [{"type": "text", "text": draw(names)}]}
        body["messages"] = [{"role": "user", "content": [{"type": "text", "text": text}, result]}]
        body["tools"] = [{"name": "f", "input_schema": draw(schemas)}]
    else:
        body["input"] = [{"role": "user", "content": [{"type": "input_text", "text": text}]}]
        body["instructions"] = draw(names)
        body["tools"] = [{"type": "function", "name": "f", "parameters": draw(schemas)}]
    body |= draw(st.dictionaries(st.sampled_from(["top_p", "seed", "x_vendor", "stop"]), values, max_size=2))
    return body


paths = st.sampled_from([CHAT, MESSAGES, RESPONSES])
of_any = paths.flatmap(lambda path: st.tuples(st.just(path), requests(path)))


def key(path: str, body: bytes | dict[str, Any], *, stream: bool = False, rule: MappingSpec = RULE) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return canonical(route(path), raw, rule, stream=stream)


def shuffled(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shuffled(draw, value[name]) for name in draw(st.permutations(list(value)))}
    return [shuffled(draw, one) for one in value] if isinstance(value, list) else value


def rewritten(value: Any) -> Any:
    """Numbers in other words."""
    if isinstance(value, dict):
        return {name: rewritten(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rewritten(one) for one in value]
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
    return float(value) if whole else value


def marked(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """With what says nothing of the answer."""
    body = copy.deepcopy(body)
    if path == CHAT:
        body |= {"user": "u-1", "metadata": {"a": "b"}, "safety_identifier": "s", "prompt_cache_key": "k"}
        body["messages"][0] |= MARK
        body["messages"][1]["content"][0] |= MARK
        body["tools"][0] |= MARK
    elif path == MESSAGES:
        body |= {"metadata": {"user_id": "u"}, **MARK}
        body["system"][0] |= MARK
        for block in body["messages"][0]["content"]:
            block |= MARK
        body["messages"][0]["content"][1]["content"][0] |= MARK
        body["tools"][0] |= MARK
    else:
        body["input"][0]["content"][0] |= MARK
    return body


@PROVED
@given(of_any, st.data())
def test_what_means_the_same_is_the_same_request(
    asked: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    path, body = asked
    plain = key(path, body)
    other = rewritten(shuffled(data.draw, marked(path, body)))
    spaced = json.dumps(
        other, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1]))
    )
    assert key(path, spaced.encode()) == plain
    assert key(path, body | {"stream": False}) == plain
    assert key(path, body, stream=True) != plain


def normal(path: str, body: dict[str, Any]) -> Any:
    """Its meaning, told by hand: JSON values are equal as numbers are, and true is not 1."""

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return frozenset((name, told(one)) for name, one in value.items())
        if isinstance(value, list):
            return tuple(told(one) for one in value)
        return (type(value) is bool, value)

    return path, told(body)


@PROVED
@given(paths.flatmap(lambda path: st.tuples(st.just(path), requests(path), requests(path))))
def test_requests_have_one_key_exactly_where_they_mean_the_same(
    asked: tuple[str, dict[str, Any], dict[str, Any]],
) -> None:
    path, one, other = asked
    assert (key(path, one) == key(path, other)) == (normal(path, one) == normal(path, other))


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for step, one in steps for place in places(one, (*at, step)))]


@PROVED
@given(of_any, st.data())
def test_any_value_that_is_changed_makes_another_request(
    asked: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    path, body = asked
    changed = copy.deepcopy(body)
    place = data.draw(
        st.sampled_from([one for one in places(body) if one and one[-1] not in ("temperature", "type")])
    )
    holder: Any = changed
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = "changed to what nothing was before"
    assert key(path, changed) != key(path, body)


def test_a_mark_inside_a_schema_is_a_name_like_any_other() -> None:
    def body(*named: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {name: {"type": "string"} for name in named}}
        return {
            "model": "a",
            "temperature": 0,
            "messages": [],
            "tools": [{"name": "f", "input_schema": schema}],
        }

    assert key(MESSAGES, body("x", "cache_control")) != key(MESSAGES, body("x"))
    said = [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": MARK}]}]
    assert key(MESSAGES, body() | {"messages": said}) != key(
        MESSAGES, body() | {"messages": [{**said[0], "content": [{**said[0]["content"][0], "input": {}}]}]}
    )


def test_what_responses_tell_again_counts() -> None:
    body = {"model": "a", "temperature": 0, "input": "x"}
    assert key(RESPONSES, body | {"metadata": {"a": "b"}}) != key(RESPONSES, body)


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        (CHAT, b'{"model":"a","temperature":0,"x":{"y":1,"y":2}}', "more than one way"),
        (CHAT, b'{"model":"a","temperature":0,"x":1e999}', "more than one way"),
        (CHAT, b'{"model":"a","temperature":0,"x":NaN}', "more than one way"),
        (CHAT, b'{"model":"a"}', "says no temperature"),
        (CHAT, b'{"model":"a","temperature":0.2}', "its temperature is 0.2"),
        (CHAT, b'{"model":"a","temperature":0,"store":true}', "store"),
        (RESPONSES, b'{"model":"a","temperature":0,"background":true}', "background"),
        (RESPONSES, b'{"model":"a","temperature":0,"conversation":"c"}', "conversation"),
        (
            MESSAGES,
            b'{"model":"a","temperature":0,"tools":[{"type":"web_search_20250305"}]}',
            "web_search_20250305",
        ),
        ("/v1/messages/count_tokens", b'{"model":"a","temperature":0}', "its path"),
        ("/v1/audio/speech", b'{"model":"a","temperature":0}', "its path"),
        ("/api/chat", b'{"model":"a","temperature":0}', "says no temperature"),
    ],
)
def test_a_request_that_is_answered_anew_says_why(path: str, body: bytes, why: str) -> None:
    with pytest.raises(Unlike, match=why):
        key(path, body)


def test_the_temperature_is_the_one_that_the_target_gets() -> None:
    unsaid, warm = b'{"model":"a"}', b'{"model":"a","temperature":1}'
    always = MappingSpec(1, "*", 0, (), presets={"temperature": 0})
    otherwise = MappingSpec(1, "*", 0, (), presets={"temperature?": 0})
    for rule, body in ((always, unsaid), (always, warm), (otherwise, unsaid)):
        key(CHAT, body, rule=rule)
    with pytest.raises(Unlike):
        key(CHAT, warm, rule=otherwise)
    key("/api/chat", b'{"model":"a","options":{"temperature":0}}')
    key("/v1/embeddings", b'{"model":"a","input":"x"}')  # nothing is left to chance there
