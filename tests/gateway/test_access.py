"""gateway.access: Host and Origin allow-lists, and client keys in either header."""

from __future__ import annotations

import base64
import hmac

import pytest

from pointsman.errors import PointsmanError
from pointsman.gateway.client.access import Caller, HostGuard, KeyRing
from pointsman.kinds import ErrorKind
from pointsman.link.messages import ClientKeySpec, Snapshot
from pointsman.wire.http1 import RequestHead, parse_head


def head(*lines: str, host: str = "localhost:4480") -> RequestHead:
    return parse_head(
        "\r\n".join(["POST / HTTP/1.1", f"host: {host}", *lines, "", ""]).encode("latin-1"), 100
    )


def allowed(guard: HostGuard, found: RequestHead) -> bool:
    try:
        guard.check(found)
    except PointsmanError as error:
        assert error.kind is ErrorKind.FORBIDDEN
        assert "--allow-" in error.public
        return False
    return True


@pytest.mark.parametrize(
    ("bind", "host", "ok"),
    [
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LOCALHOST:4480", True),
        ("127.0.0.1", "127.0.0.1:4480", True),
        ("127.0.0.1", "[::1]:4480", True),
        ("127.0.0.1", "box.localhost:4480", True),
        ("127.0.0.1", "gateway.example", True),
        ("127.0.0.1", "Gateway.Example:99", True),
        ("127.0.0.1", "evil.example", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "evillocalhost", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "192.168.1.5", False),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "localhost.", True),
        ("0.0.0.0", "192.168.1.5:4480", True),
        ("0.0.0.0", "[fd00::1]", True),
        ("0.0.0.0", "evil.example", False),
        ("192.168.1.5", "192.168.1.5", True),
        ("192.168.1.5", "box.lan", False),
        ("box.lan", "box.lan:4480", True),
    ],
)
def test_hosts(bind: str, host: str, ok: bool) -> None:
    guard = HostGuard(bind, ("gateway.example",), ())
    for _ in range(2):  # the second time from what it has seen
        assert allowed(guard, head(host=host)) is ok


@pytest.mark.parametrize(
    ("origin", "ok"),
    [
        ("http://localhost:4480", True),
        ("https://localhost:4480", True),
        ("http://LOCALHOST:4480", True),
        ("https://app.example", True),
        ("https://APP.example", True),
        ("http://localhost", False),
        ("http://localhost:1234", False),
        ("https://app.example.evil", False),
        ("http://app.example", False),
        ("null", False),
        ("", False),
        ("file://", False),
        ("\xff", False),
    ],
)
def test_origins(origin: str, ok: bool) -> None:
    guard = HostGuard("127.0.0.1", (), ("https://app.example/",))
    assert allowed(guard, head(f"origin: {origin}")) is ok


def test_only_an_allowed_foreign_page_may_read_answers() -> None:
    guard = HostGuard("127.0.0.1", (), ("https://app.example",))
    assert b"access-control-allow-origin: https://app.example\r\n" in guard.cors_lines(
        head("origin: https://app.example")
    )
    assert guard.cors_lines(head("origin: http://localhost:4480")) == b""
    assert guard.cors_lines(head("origin: https://evil.example")) == b""
    assert guard.cors_lines(head()) == b""


# -- client keys

PEPPER = b"p" * 32
GOOD = "pm-good"


def ring(required: bool = True) -> KeyRing:
    digest = hmac.digest(PEPPER, GOOD.encode(), "sha256")
    return KeyRing(
        Snapshot(1, "e", client_keys=(ClientKeySpec(7, "me", digest),), keys_required=required, pepper=PEPPER)
    )


@pytest.mark.parametrize(
    ("lines", "login"),
    [
        ((f"authorization: Bearer {GOOD}",), b""),
        ((f"authorization: bearer  {GOOD} ",), b""),
        ((f"x-api-key: {GOOD}",), b""),
        ((f"authorization: Bearer {GOOD}", f"x-api-key: {GOOD}"), b""),
        ((f"authorization: Bearer {GOOD}", "x-api-key: theirs"), b"x-api-key: theirs\r\n"),
        ((f"x-api-key: {GOOD}", "authorization: Bearer theirs"), b"authorization: Bearer theirs\r\n"),
        ((f"x-api-key: {GOOD}", "authorization: Basic xyz"), b"authorization: Basic xyz\r\n"),
    ],
)
def test_a_key_is_taken_from_either_header_and_never_sent_on(lines: tuple[str, ...], login: bytes) -> None:
    assert ring().identify(head(*lines)) == Caller(7, login)


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ((), "missing"),
        (("x-api-key: wrong",), "not valid"),
        (("authorization: Bearer wrong",), "not valid"),
        (("authorization: Bearer",), "missing"),
        ((f"authorization: Basic {GOOD}",), "missing"),
        ((f"authorization: {GOOD}",), "missing"),
        ((f"x-api-key: {GOOD}x",), "not valid"),
        ((f"x-api-key: {GOOD.upper()}",), "not valid"),
        ((f"cookie: {GOOD}",), "missing"),
        ((f"x-goog-api-key: {GOOD}",), "missing"),
    ],
)
def test_without_a_good_key_nothing(lines: tuple[str, ...], word: str) -> None:
    with pytest.raises(PointsmanError) as caught:
        ring().identify(head(*lines))
    assert caught.value.status == 401
    assert word in caught.value.public
    assert GOOD not in caught.value.public


def test_where_no_key_is_needed_a_login_is_the_clients_own() -> None:
    assert ring(False).identify(head()) == Caller(None, b"")
    found = ring(False).identify(head("authorization: Bearer theirs", "x-api-key: k"))
    assert found == Caller(None, b"authorization: Bearer theirs\r\nx-api-key: k\r\n")


def test_required_without_any_key_lets_nobody_in() -> None:
    empty = KeyRing(Snapshot(1, "e", keys_required=True, pepper=PEPPER))
    with pytest.raises(PointsmanError):
        empty.identify(head(f"x-api-key: {GOOD}"))


GIVEN = "q83/+AbyN1Vd0b7RrWkJm2sT5xZLcPfHeUgOiQa9tC8="
"""A key of nobody's own form, as a start may be given one."""


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (GIVEN, True),
        (f"Bearer {GIVEN}", True),
        (f"token={GIVEN};x=1", True),
        (f"https://x/{GIVEN}/y", True),
        (GIVEN.replace("/", "%2F").replace("+", "%2B"), True),
        ("Basic " + base64.b64encode(f"me:{GIVEN}".encode()).decode(), True),
        ((GIVEN[:4] + "x" * 40) * 3 + GIVEN, True),
        (GIVEN[:4], False),
        (GIVEN[:-2], False),
        (GIVEN[:4] + "x" * 60, False),
        ("", False),
    ],
)
def test_a_given_key_is_found_wherever_it_stands(text: str, holds: bool) -> None:
    digest = hmac.digest(PEPPER, GIVEN.encode(), "sha256")
    keys = KeyRing(
        Snapshot(
            1, "e", client_keys=(ClientKeySpec(7, "e", digest, GIVEN[:4]),), keys_required=True, pepper=PEPPER
        )
    )
    assert keys.identify(head(f"x-api-key: {GIVEN}")) == Caller(7, b"")
    assert keys.holds_key(text.encode()) is holds
    kept = keys.free_of_keys([(b"x-mine", text.encode()), (b"a", b"b")])
    assert len(kept) == (1 if holds else 2)
    query = b"a=b&k=" + text.encode().replace(b" ", b"+").replace(b"=", b"%3D")
    if not text.startswith("Basic"):
        assert (keys.without_keys(query) == b"a=b") is holds


def test_what_no_browser_sends_is_logged_once_and_is_no_advice(caplog: pytest.LogCaptureFixture) -> None:
    guard = HostGuard("127.0.0.1", (), ())
    odd = ["x" * 200 + str(number) for number in range(150)]
    for origin in [*odd, "chrome-extension://*", "http://*.evil.example", "https://late.example"]:
        with pytest.raises(PointsmanError) as caught:
            guard.check(head(f"origin: {origin}"))
        assert "*" not in caught.value.public
    assert len(caplog.messages) == 2
    assert "https://late.example" in caplog.messages[1], "junk has used up no line of a real page"
