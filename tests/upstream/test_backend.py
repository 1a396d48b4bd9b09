"""upstream.backend: a row compiled into request heads; which of a client's headers travel; what it speaks."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pointsman.kinds import Protocol
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from pointsman.upstream import backend as backend_module
from pointsman.upstream.backend import Backend, forwarded
from pointsman.wire.http1 import TO_CONTROL


def make(key: str = "openai", url: str = "https://api.example.com", **more: Any) -> Backend:
    kind, _, name = key.partition("/")
    if "api_key" in more:
        more["api_key"] = Secret(more["api_key"])
    return Backend(BackendSpec(key=key, type=kind, name=name, base_url=url, **more))


def lines(head: bytes) -> list[bytes]:
    assert head.endswith(b"\r\n\r\n")
    return head[:-4].split(b"\r\n")


@pytest.mark.parametrize(
    ("url", "path", "line", "host"),
    [
        ("https://api.example.com", b"/v1/x", b"POST /v1/x HTTP/1.1", b"host: api.example.com"),
        ("https://api.example.com/", b"/v1/x", b"POST /v1/x HTTP/1.1", b"host: api.example.com"),
        ("https://api.example.com/v1", b"/v1/x", b"POST /v1/x HTTP/1.1", b"host: api.example.com"),
        (
            "https://api.example.com/openai/v1/",
            b"/v1/x?a=b",
            b"POST /openai/v1/x?a=b HTTP/1.1",
            b"host: api.example.com",
        ),
        ("https://api.example.com:8443", b"/v1/x", b"POST /v1/x HTTP/1.1", b"host: api.example.com:8443"),
        ("http://127.0.0.1:8080", b"/v1/x", b"POST /v1/x HTTP/1.1", b"host: 127.0.0.1:8080"),
        ("http://[::1]:80", b"/v1/x", b"POST /v1/x HTTP/1.1", b"host: [::1]"),
        ("unix:/run/x.sock", b"/v1/x", b"POST /v1/x HTTP/1.1", b"host: localhost"),
    ],
)
def test_where_a_request_goes(url: str, path: bytes, line: bytes, host: bytes) -> None:
    head = make("local/x", url).head(b"POST", path, b"", frozenset(), 5)
    assert lines(head)[:2] == [line, host]


def test_a_whole_head() -> None:
    backend = make(auth="bearer", api_key="k")
    head = backend.head(b"POST", b"/v1/x", b"x: 1\r\ny: 2\r\n", frozenset({b"x", b"y"}), 7)
    assert lines(head) == [
        b"POST /v1/x HTTP/1.1", b"host: api.example.com", b"accept-encoding: identity", b"authorization: Bearer k",
        b"x: 1", b"y: 2", b"content-length: 7",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        ("bearer", b"authorization: Bearer k"),
        ("x-api-key", b"x-api-key: k"),
        ("api-key", b"api-key: k"),
        ("none", None),
    ],
)
def test_the_key_travels_by_its_scheme(auth: str, line: bytes | None) -> None:
    found = lines(make(auth=auth, api_key="k").head(b"GET", b"/v1/models", b"", frozenset(), None))
    assert [one for one in found if b"k" in one.partition(b":")[2] and b"host" not in one] == (
        [line] if line else []
    )
    assert not any(one.startswith(b"content-length") for one in found)


def test_without_a_key_none_is_sent() -> None:
    head = make(auth="bearer").head(b"GET", b"/", b"", frozenset(), None)
    assert b"authorization" not in head


def test_the_clients_own_login_replaces_the_key() -> None:
    own = b"authorization: Bearer theirs\r\n"
    head = make(auth="x-api-key", api_key="ours").head(b"POST", b"/", b"", frozenset(), 0, own)
    assert b"ours" not in head
    assert b"authorization: Bearer theirs\r\n" in head
    assert b"content-length: 0\r\n" in head


def test_defaults_only_where_the_client_said_nothing() -> None:
    backend = make("anthropic", auth="x-api-key", api_key="k")
    assert b"\r\nanthropic-version: 2023-06-01\r\n" in backend.head(b"POST", b"/", b"", frozenset(), 0)
    said = backend.head(
        b"POST", b"/", b"anthropic-version: 2099-01-01\r\n", frozenset({b"anthropic-version"}), 0
    )
    assert said.count(b"anthropic-version") == 1
    assert b"2099-01-01" in said


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("ftp://x", {}),
        ("", {}),
        ("https://user@x", {}),
        ("https://x", {"dialects": ("klingon",)}),
        ("https://x", {"auth": "magic", "api_key": "k"}),
        ("https://x", {"auth": "bearer", "api_key": "a\r\nb: c"}),
        ("https://x", {"auth": "bearer", "api_key": "caf\u00e9"}),
    ],
)
def test_a_row_that_cannot_be_used_is_a_value_error(url: str, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        make(url=url, **more)


# -- what it speaks


def test_a_types_own_protocols_and_those_of_the_row() -> None:
    assert make("openai").speaks(Protocol.OPENAI_RESPONSES)
    assert not make("openai").speaks(Protocol.ANTHROPIC_MESSAGES)
    assert make("anthropic").speaks(Protocol.ANTHROPIC_MESSAGES)
    assert not make("anthropic").speaks(Protocol.OPENAI_CHAT)
    only = make("openai", dialects=("anthropic_messages",))
    assert only.speaks(Protocol.ANTHROPIC_MESSAGES)
    assert not only.speaks(Protocol.OPENAI_CHAT)
    assert not make("local/x", dialects=()).speaks(Protocol.OPENAI_CHAT)


def test_what_a_local_server_does_not_speak_is_learned_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = make("local/x", "http://127.0.0.1:1")
    assert backend.speaks(Protocol.ANTHROPIC_MESSAGES)  # tried until it says no
    backend.learn_unspoken(Protocol.ANTHROPIC_MESSAGES)
    assert not backend.speaks(Protocol.ANTHROPIC_MESSAGES)
    assert backend.speaks(Protocol.OPENAI_RESPONSES)
    assert backend.speaks(Protocol.OPENAI_CHAT)
    backend.learned[Protocol.ANTHROPIC_MESSAGES] = time.monotonic() - backend_module.LEARNED_SECONDS
    assert backend.speaks(Protocol.ANTHROPIC_MESSAGES)  # it may have been updated


def test_what_a_row_says_it_speaks_is_never_unlearned() -> None:
    backend = make("local/x", "http://127.0.0.1:1", dialects=("anthropic_messages",))
    backend.learn_unspoken(Protocol.ANTHROPIC_MESSAGES)
    assert backend.speaks(Protocol.ANTHROPIC_MESSAGES)


def test_what_is_assumed_is_unlearned_only_while_something_else_is_left() -> None:
    backend = make("local/x", "http://127.0.0.1:1")
    backend.learn_unspoken(Protocol.OPENAI_CHAT)
    assert not backend.speaks(Protocol.OPENAI_CHAT)
    for protocol in (Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES):
        backend.learn_unspoken(protocol)
    assert backend.speaks(Protocol.OPENAI_CHAT)
    assert not backend.speaks(Protocol.OPENAI_RESPONSES)


# -- which headers travel

CLIENT = [
    (b"host", b"gateway"), (b"authorization", b"Bearer canary"), (b"x-api-key", b"canary"), (b"api-key", b"canary"),
    (b"cookie", b"canary"), (b"content-length", b"5"), (b"transfer-encoding", b"chunked"), (b"connection", b"keep-alive, X-Mine"),
    (b"x-mine", b"canary"), (b"te", b"trailers"), (b"accept-encoding", b"gzip"), (b"origin", b"http://x"), (b"via", b"x"),
    (b"x-forwarded-for", b"canary"), (b"x-pointsman-strict", b"1"), (b"sec-fetch-site", b"x"), (b"expect", b"100-continue"),
    (b"content-type", b"application/json"), (b"anthropic-beta", b"a"), (b"anthropic-beta", b"b"), (b"openai-organization", b"o"),
    (b"x-stainless-os", b"Linux"), (b"user-agent", b"sdk"), (b"idempotency-key", b"i"),
]  # fmt: skip


def test_a_deny_list_and_nothing_else() -> None:
    block, names = forwarded(CLIENT)
    assert block == (
        b"content-type: application/json\r\nanthropic-beta: a\r\nanthropic-beta: b\r\nopenai-organization: o\r\n"
        b"x-stainless-os: Linux\r\nuser-agent: sdk\r\nidempotency-key: i\r\n"
    )
    assert names == {
        b"content-type",
        b"anthropic-beta",
        b"openai-organization",
        b"x-stainless-os",
        b"user-agent",
        b"idempotency-key",
    }
    assert b"canary" not in block


def test_the_control_plane_gets_more() -> None:
    _, names = forwarded(CLIENT, TO_CONTROL, ())
    assert {b"host", b"authorization", b"cookie", b"origin", b"x-api-key", b"sec-fetch-site"} <= names
    assert not {b"connection", b"x-mine", b"via", b"content-length", b"expect"} & names


@pytest.mark.parametrize("value", [b"X-Mine", b"close, x-mine", b" x-mine ,", b"X-MINE,x-other"])
def test_what_connection_names_is_hop_by_hop(value: bytes) -> None:
    block, names = forwarded([(b"connection", value), (b"x-mine", b"1"), (b"x-kept", b"2")])
    assert (block, names) == (b"x-kept: 2\r\n", {b"x-kept"})


def test_no_headers() -> None:
    assert forwarded([]) == (b"", frozenset())
