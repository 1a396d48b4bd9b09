"""What is taken out of a body that is shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.admin.control.redaction import redacted

SECRETS = [
    "sk-proj-Abc123Def456Ghi789",
    "pm-0123456789abcdefghijklmnop",
    "ghp_0123456789abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "bob.smith+x@mail.example.com",
    "4111 1111 1111 1111",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n-----END RSA PRIVATE KEY-----",
    "A" * 300 + "==",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "see {} there", '{{"content": "use {} now"}}'])
def test_what_looks_like_a_secret_is_not_shown(secret: str, around: str) -> None:
    assert secret not in redacted(around.format(secret))


@pytest.mark.parametrize(
    "name", ["api_key", "apiKey", "OPENAI-API-KEY", "access_token", "password", "Authorization"]
)
def test_the_value_of_a_member_with_such_a_name_is_not_shown(name: str) -> None:
    inner = json.dumps({name: "hunter2 and more", "user": "bob"})
    for text in (inner, json.dumps({"arguments": inner}), repr({name: "hunter2 and more", "user": "bob"})):
        shown = redacted(text)
        assert "hunter2" not in shown
        assert "bob" in shown


def test_a_quote_in_a_value_does_not_end_it() -> None:
    for value in ("it's hunter2", 'a "hunter2"', "back\\slash hunter2"):
        shown = redacted(json.dumps({"password": value, "user": "bob"}))
        assert "hunter2" not in shown
        assert json.loads(shown) == {"password": "[redacted]", "user": "bob"}


def test_how_it_was_sent_is_not_shown() -> None:
    assert redacted("Authorization: Bearer abcdef0123456789") == "Authorization: Bearer [redacted]"
    assert redacted("data:image/png;base64," + "iVBO" * 100).endswith("[base64, 400 characters]")


def test_what_is_no_secret_stays() -> None:
    text = 'At 10:30 on 2026-11-27 the sk-8 bus took 1234567 people; {"total_tokens": 12, "model": "gpt-4o-mini"}'
    assert redacted(text) == text


@given(st.text(max_size=300), st.sampled_from(SECRETS), st.text(max_size=300))
def test_whatever_stands_around_it(before: str, secret: str, after: str) -> None:
    assert secret not in redacted(f"{before} {secret} {after}")


@pytest.mark.parametrize("hostile", ["\\", '"', "a", "-----BEGIN ", "1 ", "Bearer ", '\\"token', "a@", "eyJ"])
def test_a_megabyte_of_nearly_nothing_is_looked_through_soon(hostile: str) -> None:
    assert redacted(hostile * (1_000_000 // len(hostile)))
