"""providers.catalog and providers.auth: one complete row a type, and keys that cannot break out of their header."""

from __future__ import annotations

import pytest

from pointsman.kinds import BACKEND_PROTOCOLS, AuthScheme, BackendType, Protocol
from pointsman.providers.auth import auth_line
from pointsman.providers.catalog import CATALOG
from pointsman.providers.urls import check_base_url, parse_base_url
from pointsman.secret import SecretBytes


def test_one_row_for_each_type() -> None:
    assert set(CATALOG) == set(BackendType)
    assert all(row.type is kind for kind, row in CATALOG.items())


@pytest.mark.parametrize("kind", list(BackendType))
def test_a_row_is_usable_as_it_stands(kind: BackendType) -> None:
    row = CATALOG[kind]
    assert row.dialects
    assert all(isinstance(dialect, Protocol) for dialect in (*row.dialects, *row.tried))
    assert not set(row.dialects) & set(row.tried)
    assert isinstance(row.auth, AuthScheme)
    if row.base_url is not None:
        url = parse_base_url(row.base_url)
        assert url.text == row.base_url
        assert url.scheme == "https"
        check_base_url(kind, url, allow_http=False)
    for name, value in row.headers:
        assert name == name.lower()
        assert value.isprintable()


def test_only_a_local_backend_needs_its_address_given() -> None:
    assert [kind for kind, row in CATALOG.items() if row.base_url is None] == [BackendType.LOCAL]


def test_the_providers_own_defaults() -> None:
    openai, anthropic = CATALOG[BackendType.OPENAI], CATALOG[BackendType.ANTHROPIC]
    assert (openai.base_url, openai.auth, openai.stream_usage) == (
        "https://api.openai.com",
        AuthScheme.BEARER,
        True,
    )
    assert Protocol.ANTHROPIC_MESSAGES not in openai.dialects
    assert (anthropic.base_url, anthropic.auth) == ("https://api.anthropic.com", AuthScheme.X_API_KEY)
    assert anthropic.dialects == (Protocol.ANTHROPIC_MESSAGES,)
    assert dict(anthropic.headers) == {"anthropic-version": "2023-06-01"}


def test_a_local_server_is_tried_in_every_protocol() -> None:
    row = CATALOG[BackendType.LOCAL]
    assert set(row.dialects) | set(row.tried) == set(BACKEND_PROTOCOLS)
    assert not row.stream_usage


@pytest.mark.parametrize(
    ("scheme", "line"),
    [
        (AuthScheme.BEARER, b"authorization: Bearer k-1\r\n"),
        (AuthScheme.X_API_KEY, b"x-api-key: k-1\r\n"),
        (AuthScheme.API_KEY, b"api-key: k-1\r\n"),
        (AuthScheme.NONE, b""),
    ],
)
def test_each_scheme_has_its_header(scheme: AuthScheme, line: bytes) -> None:
    assert auth_line(scheme, SecretBytes(b"k-1")) == line


@pytest.mark.parametrize(
    "key", ["a\r\nx: y", "a\nb", "a b", "a\tb", "a\x00", "a\x7f", "caf\u00e9", "\u200b", " a", "a "]
)
@pytest.mark.parametrize("scheme", [AuthScheme.BEARER, AuthScheme.X_API_KEY, AuthScheme.API_KEY])
def test_a_key_that_cannot_stand_in_a_header_is_refused(scheme: AuthScheme, key: str) -> None:
    with pytest.raises(ValueError) as caught:
        auth_line(scheme, SecretBytes(key.encode()))
    assert key.strip() not in str(caught.value) or len(key.strip()) == 1
