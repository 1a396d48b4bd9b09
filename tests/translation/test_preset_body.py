"""translation.preset_body: what a rule sets, in every protocol and for every kind of target; what it cannot be is told, and
nothing else of a body changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.presets import IF_UNSAID, PRESETS
from pointsman.conversation.request import Request
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.providers.profiles import abilities_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.preset_body import preset_body, with_system

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
SPOKEN = (CHAT, RESPONSES, MESSAGES)

TARGETS = {
    "local": (BackendSpec("local/box", "local", "box", "http://127.0.0.1:1"), "zed"),
    "qwen": (BackendSpec("local/box", "local", "box", "http://127.0.0.1:1"), "qwen3:8b"),
    "gpt-4o": (BackendSpec("openai", "openai", "", "https://api.openai.com"), "gpt-4o"),
    "gpt-5.1": (BackendSpec("openai", "openai", "", "https://api.openai.com"), "gpt-5.1"),
    "groq": (BackendSpec("openai/groq", "openai", "groq", "https://api.groq.com/openai/v1"), "llama-4"),
    "openrouter": (
        BackendSpec("openai/router", "openai", "router", "https://openrouter.ai/api/v1"),
        "some/model",
    ),
    "haiku": (BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com"), "claude-haiku-4-5"),
    "opus": (BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com"), "claude-opus-5-5"),
}
BODIES = {
    CHAT: b'{"model": "m", "messages": [ {"role": "user", "content": "h\\u0069"} ] ,"x_unknown":1.0}',
    RESPONSES: b'{"model": "m", "input": "h\\u0069" ,"x_unknown":1.0}',
    MESSAGES: b'{"model": "m", "max_tokens": 9000, "messages": [ {"role":"user","content":"h\\u0069"} ] ,"x_unknown":1.0}',
    Protocol.COMPLETIONS: b'{"model": "m", "prompt": "h\\u0069"}',
    Protocol.EMBEDDINGS: b'{"model": "m", "input": "h\\u0069"}',
}  # fmt: skip


def sets(
    presets: dict[str, Any],
    target: str = "local",
    protocol: Protocol = CHAT,
    body: bytes | None = None,
    window: int | None = None,
    **more: Any,
) -> tuple[bytes, list[str]]:
    spec, model = TARGETS[target]
    given = BODIES[protocol] if body is None else body
    profile = abilities_for(spec, protocol, model)
    if window is not None:
        profile = msgspec.structs.replace(profile, context_window=window)
    return preset_body(presets, given, DIALECTS[protocol], profile, **more)


DROPPED = "dropped"
TABLE: list[tuple[dict[str, Any], str, Protocol, Any]] = [
    ({"temperature": 0.2}, "local", CHAT, {"temperature": 0.2}),
    ({"temperature": 0.2}, "gpt-4o", RESPONSES, {"temperature": 0.2}),
    ({"temperature": 0.2}, "haiku", MESSAGES, {"temperature": 0.2}),
    ({"temperature": 0.2}, "gpt-5.1", CHAT, DROPPED),
    ({"temperature": 0.2}, "gpt-5.1", RESPONSES, DROPPED),
    ({"temperature": 0.2}, "opus", MESSAGES, DROPPED),
    ({"temperature": 0.2}, "local", Protocol.COMPLETIONS, {"temperature": 0.2}),
    ({"temperature": 0.2}, "local", Protocol.EMBEDDINGS, DROPPED),
    ({"top_p": 0.5}, "local", CHAT, {"top_p": 0.5}),
    ({"top_p": 0.5}, "haiku", MESSAGES, {"top_p": 0.5}),
    ({"top_k": 40}, "local", CHAT, {"top_k": 40}),
    ({"top_k": 40}, "local", MESSAGES, {"top_k": 40}),
    ({"top_k": 40}, "haiku", MESSAGES, {"top_k": 40}),
    ({"top_k": 40}, "local", RESPONSES, DROPPED),
    ({"top_k": 40}, "gpt-4o", CHAT, DROPPED),
    ({"top_k": 40}, "gpt-4o", Protocol.COMPLETIONS, DROPPED),
    ({"top_k": 40}, "openrouter", CHAT, {"top_k": 40}),
    ({"min_p": 0.1}, "local", CHAT, {"min_p": 0.1}),
    ({"min_p": 0.1}, "openrouter", CHAT, {"min_p": 0.1}),
    ({"min_p": 0.1}, "gpt-4o", CHAT, DROPPED),
    ({"min_p": 0.1}, "groq", CHAT, DROPPED),
    ({"min_p": 0.1}, "local", MESSAGES, DROPPED),
    ({"repeat_penalty": 1.1}, "local", CHAT, {"repeat_penalty": 1.1, "repetition_penalty": 1.1}),
    ({"repeat_penalty": 1.1}, "local", Protocol.COMPLETIONS, {"repeat_penalty": 1.1, "repetition_penalty": 1.1}),
    ({"repeat_penalty": 1.1}, "openrouter", CHAT, {"repetition_penalty": 1.1}),
    ({"repeat_penalty": 1.1}, "gpt-4o", CHAT, DROPPED),
    ({"presence_penalty": 1}, "local", CHAT, {"presence_penalty": 1}),
    ({"presence_penalty": 1}, "haiku", MESSAGES, DROPPED),
    ({"frequency_penalty": 1}, "gpt-4o", CHAT, {"frequency_penalty": 1}),
    ({"frequency_penalty": 1}, "groq", CHAT, DROPPED),
    ({"seed": 7}, "local", CHAT, {"seed": 7}),
    ({"seed": 7}, "gpt-4o", RESPONSES, DROPPED),
    ({"max_tokens": 50}, "local", CHAT, {"max_tokens": 50}),
    ({"max_tokens": 50}, "gpt-4o", CHAT, {"max_completion_tokens": 50}),
    ({"max_tokens": 50}, "gpt-4o", RESPONSES, {"max_output_tokens": 50}),
    ({"max_tokens": 50}, "gpt-4o", Protocol.COMPLETIONS, {"max_tokens": 50}),
    ({"stop": ["E"]}, "local", CHAT, {"stop": ["E"]}),
    ({"stop": ["E"]}, "haiku", MESSAGES, {"stop_sequences": ["E"]}),
    ({"stop": ["E"]}, "gpt-5.1", CHAT, DROPPED),
    ({"stop": ["E"]}, "local", RESPONSES, DROPPED),
    ({"system": "S"}, "local", RESPONSES, {"instructions": "S"}),
    ({"system": "S"}, "haiku", MESSAGES, {"system": "S"}),
    ({"system": "S"}, "local", Protocol.COMPLETIONS, DROPPED),
    ({"thinking": False}, "qwen", CHAT, {"chat_template_kwargs": {"enable_thinking": False}}),
    ({"thinking": True}, "qwen", CHAT, {"chat_template_kwargs": {"enable_thinking": True}}),
    ({"thinking": True}, "haiku", MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 7976}}),
    ({"thinking": True}, "opus", MESSAGES, {"thinking": {"type": "adaptive", "display": "summarized"}}),
    ({"thinking": False}, "gpt-5.1", CHAT, {"reasoning_effort": "none"}),
    ({"thinking": True}, "gpt-5.1", RESPONSES, {"reasoning": {"effort": "medium"}}),
    ({"thinking": False}, "gpt-4o", CHAT, DROPPED),
    ({"thinking": True}, "local", CHAT, DROPPED),
    ({"effort": "low"}, "gpt-5.1", CHAT, {"reasoning_effort": "low"}),
    ({"effort": "low"}, "haiku", MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
    ({"effort": "none"}, "qwen", CHAT, {"chat_template_kwargs": {"enable_thinking": False}}),
    ({"effort": "high"}, "groq", CHAT, DROPPED),
    ({"chat_template_kwargs.a": "b"}, "local", CHAT, {"chat_template_kwargs": {"a": "b"}}),
    ({"chat_template_kwargs.a": "b"}, "gpt-4o", CHAT, DROPPED),
    ({"chat_template_kwargs.a": "b"}, "local", RESPONSES, DROPPED),
    ({"num_ctx": 8192}, "local", CHAT, DROPPED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("presets", "target", "protocol", "added"),
    TABLE,
    ids=[f"{next(iter(p.items()))}-{t}-{s.value}" for p, t, s, _ in TABLE],
)
def test_each_in_the_words_of_its_target(
    presets: dict[str, Any], target: str, protocol: Protocol, added: Any
) -> None:
    body, told = sets(presets, target, protocol)
    (name,) = presets
    if added == DROPPED:
        assert (body, told) == (BODIES[protocol], [f"dropped:{name}"])
        return
    assert told == []
    assert json.loads(body) == json.loads(BODIES[protocol]) | added
    kept = BODIES[protocol].rstrip(b"}")
    assert body.startswith(kept), "what the client wrote stands as it did"


def test_the_table_has_every_name() -> None:
    assert {next(iter(presets)).partition(".")[0] for presets, *_ in TABLE} == set(PRESETS) | {
        "chat_template_kwargs"
    }


@pytest.mark.parametrize("protocol", SPOKEN)
def test_a_limit_that_the_client_gave_too_is_told_as_changed_and_stands_once(protocol: Protocol) -> None:
    wrote = {CHAT: "max_tokens", RESPONSES: "max_output_tokens", MESSAGES: "max_tokens"}[protocol]
    body = json.dumps(json.loads(BODIES[protocol]) | {wrote: 500}).encode()
    target = "haiku" if protocol is MESSAGES else "gpt-4o"
    changed, told = sets({"max_tokens": 50}, target, protocol, body)
    assert told == ["changed:max_tokens"]
    found = json.loads(changed)
    assert [value for name, value in found.items() if "tokens" in name] == [50]


def test_only_where_the_client_is_silent() -> None:
    said = b'{"model":"m","messages":[],"temperature":0.9,"top_p":null}'
    body, told = sets({"temperature?": 0.2, "top_p?": 0.5, "min_p?": 0.1}, body=said)
    assert told == []
    assert json.loads(body) == {"model": "m", "messages": [], "temperature": 0.9, "top_p": 0.5, "min_p": 0.1}
    again, told = sets({"min_p?": 0.3, "chat_template_kwargs.a?": 1, "seed?": 1, "seed": 2}, body=body)
    assert json.loads(again)["min_p"] == 0.1
    assert json.loads(again)["chat_template_kwargs"] == {"a": 1}
    effort = b'{"model":"m","messages":[],"reasoning_effort":"high"}'
    assert sets({"thinking?": False, "effort?": "low"}, "gpt-5.1", body=effort) == (effort, [])


def test_a_translated_request_is_silent_where_its_client_was() -> None:
    """Messages wants a limit, so that a translation makes one up: the rule's own still holds."""
    body = BODIES[MESSAGES]
    assert json.loads(sets({"max_tokens?": 50}, "haiku", MESSAGES, said=Request("m"))[0])["max_tokens"] == 50
    said = Request("m", max_tokens=9000)
    assert sets({"max_tokens?": 50}, "haiku", MESSAGES, said=said) == (body, [])


def test_what_the_client_said_otherwise_is_told() -> None:
    body = b'{"model":"m","messages":[],"temperature":0.9,"min_p":0.2,"stop":"E","chat_template_kwargs":{"a":1,"b":2}}'
    presets = {"temperature": 0.2, "min_p": 0.1, "stop": ["E"], "chat_template_kwargs.a": 2}
    changed, told = sets(presets, body=body)
    assert sorted(told) == ["changed:chat_template_kwargs.a", "changed:min_p", "changed:temperature"]
    assert json.loads(changed)["chat_template_kwargs"] == {"a": 2, "b": 2}
    assert sets(presets, body=changed) == (changed, []), "the same once more changes nothing"


def test_thinking_takes_with_it_what_cannot_stand_beside_it() -> None:
    """A thinking Claude refuses a temperature: "may only be set to 1"."""
    body = b'{"model":"m","max_tokens":9000,"messages":[],"temperature":0.5,"top_k":5}'
    changed, told = sets({"thinking": True}, "haiku", MESSAGES, body)
    assert set(json.loads(changed)) == {"model", "max_tokens", "messages", "thinking"}
    assert sorted(told) == ["dropped:temperature", "dropped:top_k"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","max_tokens":9000,"messages":[],"tools":[],"tool_choice":{"type":"any"}}',
        b'{"model":"m","max_tokens":9000,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}]}',
        b'{"model":"m","max_tokens":900,"messages":[]}',
    ],
    ids=["a tool is forced", "a turn goes on without its thinking", "no room"],
)
def test_thinking_that_the_vendor_would_refuse_is_left_out_and_told(body: bytes) -> None:
    assert sets({"thinking": True}, "haiku", MESSAGES, body) == (body, ["dropped:thinking"])


def test_an_effort_stands_beside_the_clients_summary_and_format() -> None:
    body = b'{"model":"m","input":"x","reasoning":{"summary":"detailed"}}'
    assert json.loads(sets({"effort": "low"}, "gpt-5.1", RESPONSES, body)[0])["reasoning"] == {
        "summary": "detailed", "effort": "low",
    }  # fmt: skip
    body = b'{"model":"m","max_tokens":9,"messages":[],"output_config":{"format":{"type":"json_schema","schema":{}}}}'
    found = json.loads(sets({"effort": "low"}, "opus", MESSAGES, body)[0])["output_config"]
    assert found == {"format": {"type": "json_schema", "schema": {}}, "effort": "low"}


def test_one_way_to_say_how_hard_to_think_pushes_out_the_others() -> None:
    body = b'{"model":"m","messages":[],"reasoning":{"effort":"high"},"reasoning_effort":"high"}'
    changed, told = sets({"thinking": False}, "qwen", CHAT, body)
    assert json.loads(changed) == {
        "model": "m",
        "messages": [],
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert told == ["changed:thinking"]


@pytest.mark.parametrize(
    ("protocol", "body", "expected"),
    [
        (CHAT, b'{"messages":[],"model":"m"}', b'{"messages":[{"role":"system","content":"S"}],"model":"m"}'),
        (
            CHAT, b'{"messages":[ {"role":"user","content":"\\u0041"}],"model":"m"}',
            b'{"messages":[{"role":"system","content":"S"}, {"role":"user","content":"\\u0041"}],"model":"m"}',
        ),
        (
            CHAT, b'{"messages":[{"content":"\\u0041","role":"system"},1],"model":"m"}',
            b'{"messages":[{"content":"S\\n\\n\\u0041","role":"system"},1],"model":"m"}',
        ),
        (
            CHAT, b'{"messages":[{"role":"developer","content":[{"type":"text","text":"A"}]}],"model":"m"}',
            b'{"messages":[{"role":"developer","content":[{"type":"text","text":"S"},{"type":"text","text":"A"}]}],"model":"m"}',
        ),
        (MESSAGES, b'{"model":"m","system":"\\u0041"}', b'{"model":"m","system":"S\\n\\n\\u0041"}'),
        (MESSAGES, b'{"model":"m","system":[]}', b'{"model":"m","system":[{"type":"text","text":"S"}]}'),
        (MESSAGES, b'{"model":"m","system":null}', b'{"model":"m","system":"S"}'),
        (
            MESSAGES, b'{"model":"m","system":[{"type":"text","text":"A","cache_control":{"type":"ephemeral"}}]}',
            b'{"model":"m","system":[{"type":"text","text":"S"},{"type":"text","text":"A","cache_control":{"type":"ephemeral"}}]}',
        ),
        (RESPONSES, b'{"model":"m","instructions":"A","input":"x"}', b'{"model":"m","instructions":"S\\n\\nA","input":"x"}'),
        (RESPONSES, b'{"model":"m","instructions":""}', b'{"model":"m","instructions":"S"}'),
    ],
)  # fmt: skip
def test_a_system_prompt_stands_before_the_clients_own(
    protocol: Protocol, body: bytes, expected: bytes
) -> None:
    assert sets({"system": "S"}, protocol=protocol, body=body) == (expected, [])
    silent = not DIALECTS[protocol].presetting.has_system(body)  # type: ignore[union-attr]
    assert silent is (
        b"\\u0041" not in expected.replace(b'"user","content":"\\u0041"', b"") and b"A" not in expected
    )
    assert sets({"system?": "S"}, protocol=protocol, body=body) == (expected if silent else body, [])


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        (RESPONSES, b'{"model":"m","instructions":[{"role":"developer"}]}'),
        (MESSAGES, b'{"model":"m","system":{"type":"text"}}'),
        (CHAT, b'{"model":"m","messages":"x"}'),
    ],
)
def test_a_system_prompt_in_a_form_that_nobody_knows_stays_and_that_is_told(
    protocol: Protocol, body: bytes
) -> None:
    assert sets({"system": "S"}, protocol=protocol, body=body) == (body, ["dropped:system"])


SPACE = st.sampled_from(["", " ", "\n\t"])
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "x", '\u2028"', "[", "é"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["role", "content", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)
TURN = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant"]), "content": ODD}
)


@given(st.sampled_from(SPOKEN), st.lists(TURN | ODD, max_size=3) | ODD, SPACE)
def test_taken_out_again_what_stood_there_stands_there(protocol: Protocol, held: Any, space: str) -> None:
    member = {CHAT: "messages", RESPONSES: "instructions", MESSAGES: "system"}[protocol]
    text = json.dumps({"model": "m", member: held, "last": 1}, separators=("," + space, ":" + space))
    made, told = sets({"system": "SYSTEM"}, protocol=protocol, body=text.encode())
    if told:
        assert (told, made) == (["dropped:system"], text.encode())
        return
    found = json.loads(made)
    assert json.dumps(found).count("SYSTEM") == 1
    assert {**found, member: held} == {"model": "m", member: held, "last": 1}
    assert json.loads(text) in list(_without(made))


def _without(made: bytes) -> Iterator[Any]:
    """The body less what may have been put into it, wherever that stood: as a turn, a part, or words."""
    for ours in (
        b'{"role":"system","content":"SYSTEM"},', b'{"role":"system","content":"SYSTEM"}',
        b'{"type":"text","text":"SYSTEM"},', b'{"type":"text","text":"SYSTEM"}', b"SYSTEM\\n\\n", b"SYSTEM",
    ):  # fmt: skip
        with suppress(ValueError):  # a comma too many
            yield json.loads(made.replace(ours, b"", 1))
    yield json.loads(made.replace(b'"SYSTEM"', b"null", 1))


def test_a_conversation_in_nobodys_form_has_no_place_for_one() -> None:
    assert sets({"system": "S"}, body=b'{"model":"m","input":"x"}') == (
        b'{"model":"m","input":"x"}',
        ["dropped:system"],
    )


def test_where_tokens_are_counted_the_system_prompt_alone_counts() -> None:
    profile = abilities_for(*TARGETS["haiku"][:1], MESSAGES, "claude-haiku-4-5")
    given = {"system": "S", "temperature": 0.2, "max_tokens": 5}
    assert with_system(given, b'{"model":"m"}', DIALECTS[MESSAGES], profile) == (
        b'{"model":"m","system":"S"}',
        [],
    )
    assert with_system({"seed": 1}, b'{"model":"m"}', DIALECTS[MESSAGES], profile) == (b'{"model":"m"}', [])


def test_a_window_that_is_known_to_be_large_enough_is_as_it_was_wished() -> None:
    assert sets({"num_ctx": 8192}, window=8192) == (BODIES[CHAT], [])
    assert sets({"num_ctx": 8193}, window=8192) == (BODIES[CHAT], ["dropped:num_ctx"])


NAMES = st.sampled_from([*PRESETS, "chat_template_kwargs.a"])
VALUES: dict[str, Any] = {
    "temperature": 0.5, "top_p": 0.5, "top_k": 5, "min_p": 0.5, "repeat_penalty": 1.5, "presence_penalty": 0.5,
    "frequency_penalty": 0.5, "seed": 5, "max_tokens": 5000, "stop": ["E"], "system": "S", "thinking": True, "effort": "low",
    "num_ctx": 512, "chat_template_kwargs.a": 1,
}  # fmt: skip
SAID = st.dictionaries(
    st.sampled_from(
        ["temperature", "top_p", "top_k", "seed", "stop", "n", "user", "é", "reasoning_effort", "min_p"]
    ),
    st.sampled_from([None, 0.5, 1, "low", [], ["x"], {}, {"a": [1]}, "\u2028\\"]),
)


@given(
    st.lists(st.tuples(NAMES, st.booleans()), unique_by=lambda one: one[0], max_size=6),
    SAID, st.sampled_from(sorted(TARGETS)), st.sampled_from(SPOKEN), SPACE,
)  # fmt: skip
def test_whatever_is_set_what_it_does_not_speak_of_keeps_its_very_bytes(
    chosen: list[tuple[str, bool]], said: dict[str, Any], target: str, protocol: Protocol, space: str
) -> None:
    presets = {name + (IF_UNSAID if unsaid else ""): VALUES[name] for name, unsaid in chosen}
    members = {**json.loads(BODIES[protocol]), **said, "odd": "\u00e9\ud83d\ude00", "number": 1}
    pieces = [f"{space}{json.dumps(name)}:{space}{json.dumps(value)}" for name, value in members.items()]
    body = (
        "{" + ",".join(pieces).replace('"number":' + space + "1", '"number":' + space + "1.00") + "}"
    ).encode()
    made, told = sets(presets, target, protocol, body)
    found = json.loads(made)
    assert sets(presets, target, protocol, body) == (made, told)
    for name, piece in zip(members, pieces, strict=True):
        if name in ("x_unknown", "n", "user", "é", "odd", "model"):
            assert piece.encode() in made, name
    assert b"1.00" in made
    assert {one.partition(":")[2].partition(".")[0] for one in told} <= {
        *(name.partition(".")[0] for name, _ in chosen), "temperature", "top_p", "top_k", "thinking", "effort",
    }  # fmt: skip
    if not chosen:
        assert made == body
    for name, unsaid in chosen:
        if (
            name in said
            and said[name] is not None
            and unsaid
            and not {"thinking", "effort"} & {one for one, _ in chosen}
        ):
            assert found.get(name) in (said[name], None) or found[name] == said[name]
