"""What is found in bodies, and what is not: by kind, by surroundings, however the JSON is written."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.customs.finding import Finder
from pointsman.customs.own_patterns import Unfit, own_rule
from pointsman.customs.placeholders import Placeholders
from pointsman.customs.putting_back import PuttingBack
from pointsman.wire.changed import place_of

from .made_up import KINDS, SURROUNDINGS

FINDER = Finder([b"a-stored-key-0123456789"], {"ticket": "acme_[a-z0-9]{12,20}"})


def kinds(text: str) -> list[str]:
    return [one.kind for one in FINDER.find(text.encode())]


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_found_wherever_it_stands(name: str) -> None:
    chance = Random(name)
    kind = name.partition(" ")[0]
    for around in SURROUNDINGS.values():
        for _ in range(5):
            secret = KINDS[name](chance)
            found = kinds(around(secret))
            assert found == [kind], (secret, found)


@pytest.mark.parametrize("ascii_only", [True, False])
def test_it_is_found_in_every_string_of_a_body_and_its_place_is_told(ascii_only: bool) -> None:
    secret = KINDS["private_key"](Random(1))
    said = {
        "model": "m",
        "system": "Grüße",
        "messages": [{"role": "user", "content": [{"type": "text", "text": f"é\n{secret}"}]}],
    }
    body = json.dumps(said, ensure_ascii=ascii_only, indent=1).encode()
    (held,) = FINDER.look(body)
    assert held.kinds() == ["private_key"]
    assert place_of(body, held.start, 9) == "messages[0].content[0].text"
    assert held.text[held.found[0].start : held.found[0].end].decode() == secret


SECRETS = [
    KINDS[name](Random(name)) for name in ("stripe_key", "github_token", "private_key", "google_key", "jwt")
]
said = st.lists(st.one_of(st.sampled_from(SECRETS), st.text(max_size=8)), max_size=4).map(" \n".join)
values = st.recursive(
    st.one_of(said, st.integers(), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(said, inner, max_size=3)),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["messages", "arguments", "x"]), values), st.booleans(), st.booleans())
def test_wherever_they_stand_none_is_left_and_all_come_back(
    value: Any, ascii_only: bool, nested: bool
) -> None:
    """In names of members too, whatever stands around them, and however it is written."""
    if nested:
        value = {"arguments": json.dumps(value)}
    body = json.dumps(value, ensure_ascii=ascii_only, indent=1 if ascii_only else None).encode()
    back = Placeholders(b"k", "1")
    masked = back.masked(body, FINDER.look(body))
    plain = masked.decode().replace("\\\\", "\\").replace("\\n", "\n")
    for secret in SECRETS:
        assert secret not in plain
        assert secret.encode() not in masked
    if not any(secret in str(key) for secret in SECRETS for key in names(value)):
        assert json.loads(PuttingBack(back.known).body(masked)) == value


def names(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for one in value for name in names(one)]
    return (
        [*value, *(name for one in value.values() for name in names(one))] if isinstance(value, dict) else []
    )


def test_bytes_that_are_no_text_hide_nothing() -> None:
    body = b'{"a":"\xff ' + KINDS["stripe_key"](Random(6)).encode() + b' \xed\xa0\x80 \\ud800"}'
    assert [held.kinds() for held in FINDER.look(body)] == [["stripe_key"]]
    masked = Placeholders(b"k", "1").masked(body, FINDER.look(body))
    assert b"sk_live" not in masked
    assert json.loads(masked)["a"].count("PMSECRET_") == 1


def test_a_key_that_is_spelled_with_escapes_is_found() -> None:
    secret = KINDS["stripe_key"](Random(2))
    body = ('{"text":"' + "".join(f"\\u{ord(one):04x}" for one in secret) + '"}').encode()
    assert [held.kinds() for held in FINDER.look(body)] == [["stripe_key"]]
    assert [h.kinds() for h in FINDER.look(b'{"a":"postgres:\\/\\/u:Xk2mPq9z@db"}')] == [["password_in_url"]]


def test_arguments_of_calls_are_looked_through_as_the_json_they_are() -> None:
    secret = KINDS["private_key"](Random(3))
    body = json.dumps({"arguments": json.dumps({"path": "a", "content": secret})}).encode()
    (held,) = FINDER.look(body)
    (inner,) = held.nested
    assert inner.text.decode() == secret


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE", "sk-...", "sk-your-key-here-0000000000000000", "postgres://user:password@localhost/db",
        "postgres://user:${DB_PASSWORD}@host/db", "https://example.com:8080/a@b", "API_KEY=your_api_key_here",
        "API_KEY=os.environ", "TOKEN=$GITHUB_TOKEN", "ghp_" + "a" * 36, "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----", "Bearer authentication_required_for_this",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "PRIMARY_KEY=customer_id", "task-force-one-two-three",
        "sk_sp_classname", "CACHE_KEY=user:profile:list", "MAX_TOKEN=123456789012",
    ],
)  # fmt: skip
def test_examples_and_names_are_no_secrets(text: str) -> None:
    assert kinds(f"x {text} y") == []
    assert kinds(text) == []


def test_of_two_rules_that_find_the_same_the_one_that_knows_it_counts() -> None:
    key = KINDS["openai_key"](Random(4))
    assert kinds(f"OPENAI_API_KEY={key}") == ["openai_key"]
    assert kinds(f"Authorization: Bearer {KINDS['jwt'](Random(5))}") == ["jwt"]


def test_stored_keys_and_the_users_own_are_found() -> None:
    assert kinds("x a-stored-key-0123456789 y acme_abcdefgh1234 z") == ["stored_key", "ticket"]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[a-z]{3,9}", "plain characters"), ("abc(x+)+", "how often"), ("abc[a-z]{1,9}z", "one more of it"),
        ("abc(?:[a-z]{1,3}){1,9}", "repeats a group"), ("abc(?=x)", "may take long"), (r"(abc)\1", "plain characters"),
        (r"abc(d)\1", "may take long"), ("abc(", "no expression"), ("(?i)abcd", "no flags"), ("abcé", "ASCII"),
        ("abc[a-z]{9999}", "how often"), ("abc.{0,9}?d", "may take long"), ("abc(?:[ab]x|[bc]y)", "begin alike"),
    ],
)  # fmt: skip
def test_a_pattern_that_may_take_long_is_not_taken(pattern: str, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        own_rule("x", pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("acme-[A-Z]{4}-[0-9]{4,9}", "acme-ABCD-12345"), (r"key=([^\s&]{8,64})", "key=abcdefgh"),
        ("corp_(?:dev|prod|preprod)_[0-9a-f]{8}", "corp_preprod_0123abcd"), ("tok(?:[0-9]{2}:){3}x?", "tok01:02:03:x"),
    ],
)  # fmt: skip
def test_a_pattern_with_one_way_through_is_taken(pattern: str, text: str) -> None:
    (found,) = Finder((), {"mine": pattern}).find(f"a {text} b".encode())
    assert f"a {text} b"[found.start : found.end] in text
    assert found.kind == "mine"
