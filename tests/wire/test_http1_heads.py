"""wire.http1: which request heads are served and how they are read; which headers may travel where."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.kinds import ErrorKind
from pointsman.wire.http1 import (
    METHODS,
    NEVER_CLIENT,
    NEVER_CLIENT_PREFIXES,
    NEVER_UPSTREAM,
    NEVER_UPSTREAM_PREFIXES,
    TO_CONTROL,
    BadHead,
    RequestHead,
    chunk,
    head_error,
    parse_head,
    status_line,
)


def head(
    *lines: bytes, start: bytes = b"POST /v1/messages HTTP/1.1", host: bytes | None = b"Host: h"
) -> bytes:
    return b"\r\n".join([start, *([host] if host is not None else []), *lines, b"", b""])


def parse(raw: bytes) -> RequestHead:
    return parse_head(raw, 100)


def refused(raw: bytes) -> BadHead:
    with pytest.raises(BadHead) as caught:
        parse(raw)
    assert caught.value.text.endswith(".")
    return caught.value


# -- served


def test_an_absolute_target_says_the_host() -> None:
    found = parse(head(start=b"GET http://Other:1//v1//x/?a=//b HTTP/1.1"))
    assert (found.path, found.query, found.host) == ("/v1/x/", b"a=//b", b"Other:1")
    assert [value for name, value in found.headers if name == b"host"] == [b"Other:1"]


def test_a_whole_head() -> None:
    found = parse(
        head(
            b"Content-Length: 12",
            b"X-Api-Key:  k\t ",
            b"Accept: a",
            b"accept: b",
            start=b"POST /v1/x%20y/z?beta=true&x=/../y HTTP/1.1",
            host=b"hOsT: Localhost:4480 ",
        )
    )
    assert found.method == b"POST"
    assert found.path == "/v1/x%20y/z"
    assert found.query == b"beta=true&x=/../y"
    assert found.host == b"Localhost:4480"
    assert found.content_length == 12
    assert found.headers == [
        (b"host", b"Localhost:4480"), (b"content-length", b"12"), (b"x-api-key", b"k"), (b"accept", b"a"), (b"accept", b"b"),
    ]  # fmt: skip
    assert found.get(b"x-api-key") == b"k"
    assert found.get(b"accept") == b"b"
    assert found.get(b"none") is None
    assert (found.http11, found.keep_alive, found.chunked, found.expect_continue) == (
        True,
        True,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("lines", "start", "keep"),
    [
        ((), b"GET / HTTP/1.1", True),
        ((b"Connection: close",), b"GET / HTTP/1.1", False),
        ((b"Connection: x, Close",), b"GET / HTTP/1.1", False),
        ((b"Connection: x", b"connection: close"), b"GET / HTTP/1.1", False),
        ((b"Connection: closed",), b"GET / HTTP/1.1", True),
        ((b"Connection: close", b"Content-Length: 3"), b"POST / HTTP/1.1", False),
        ((b"Connection: close, keep-alive",), b"GET / HTTP/1.0", False),
        ((), b"GET / HTTP/1.0", False),
        ((b"Connection: keep-alive",), b"GET / HTTP/1.0", True),
    ],
)
def test_keep_alive(lines: tuple[bytes, ...], start: bytes, keep: bool) -> None:
    assert parse(head(*lines, start=start)).keep_alive is keep


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_that_is_known(method: bytes) -> None:
    assert parse(head(start=method + b" /x HTTP/1.1")).method == method


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"LOCALHOST:1",
        b"127.0.0.1:4480",
        b"[::1]",
        b"[::1]:4480",
        b"my_box.local",
        b"a",
        b"box.",
        b"x" * 254,
    ],
)
def test_host_values_that_are_taken(host: bytes) -> None:
    assert parse(head(host=b"Host: " + host)).host == host


def test_http10_needs_no_host() -> None:
    assert parse(head(start=b"GET / HTTP/1.0", host=None)).host == b"localhost"


def test_options_star_is_the_only_star() -> None:
    assert parse(head(start=b"OPTIONS * HTTP/1.1")).path == "*"
    refused(head(start=b"GET * HTTP/1.1"))


def test_upgrade_is_ignored() -> None:
    found = parse(head(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x"))
    assert found.method == b"POST"


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"CHUNKED "])
def test_chunked(coding: bytes) -> None:
    found = parse(head(b"Transfer-Encoding: " + coding))
    assert found.chunked
    assert found.content_length is None


@pytest.mark.parametrize(("start", "wanted"), [(b"POST / HTTP/1.1", True), (b"POST / HTTP/1.0", False)])
def test_expect_continue_is_for_http11(start: bytes, wanted: bool) -> None:
    assert parse(head(b"Content-Length: 1", b"Expect: 100-Continue", start=start)).expect_continue is wanted


@pytest.mark.parametrize(
    "path", [b"/v1/models/a..b", b"/...", b"/v1/.well-known", b"/a.b/c.", b"/v1/%2ehidden", b"/a%2f.b"]
)
def test_dots_that_are_no_segments(path: bytes) -> None:
    assert parse(head(start=b"GET " + path + b" HTTP/1.1")).path == path.decode()


def test_header_values_may_be_any_bytes_but_controls() -> None:
    value = bytes(c for c in range(0x21, 0x100) if c != 0x7F)
    assert parse(head(b"x: " + value)).get(b"x") == value


# -- refused

CORPUS: dict[str, bytes] = {
    "empty": b"\r\n\r\n",
    "tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "http2 preface": b"PRI * HTTP/2.0\r\n\r\n",
    "http 0.9": head(start=b"GET /"),
    "http 1.2": head(start=b"GET / HTTP/1.2"),
    "http 2": head(start=b"GET / HTTP/2.0"),
    "http 11": head(start=b"GET / HTTP/11"),
    "rtsp": head(start=b"GET / RTSP/1.0"),
    "lower-case method": head(start=b"get / HTTP/1.1"),
    "unknown method": head(start=b"BREW / HTTP/1.1"),
    "trace": head(start=b"TRACE / HTTP/1.1"),
    "connect": head(start=b"CONNECT h:443 HTTP/1.1"),
    "no target": head(start=b"GET HTTP/1.1"),
    "space in target": head(start=b"GET /a b HTTP/1.1"),
    "absolute target of another scheme": head(start=b"GET https://h/v1 HTTP/1.1"),
    "absolute target and two hosts": head(b"Host: b", start=b"GET http://h/v1 HTTP/1.1"),
    "relative target": head(start=b"GET v1 HTTP/1.1"),
    "fragment": head(start=b"GET /a#b HTTP/1.1"),
    "utf-8 target": head(start=b"GET /\xc3\xa9 HTTP/1.1"),
    "null in target": head(start=b"GET /\x00 HTTP/1.1"),
    "version and more": head(start=b"GET / HTTP/1.1 x"),
    "no host": head(host=None),
    "empty host": head(host=b"Host:"),
    "two hosts": head(b"Host: h"),
    "two hosts, other case": head(b"HOST: i"),
    "host with user": head(host=b"Host: a@b"),
    "host with path": head(host=b"Host: a/b"),
    "host with space": head(host=b"Host: a b"),
    "host with comma": head(host=b"Host: a,b"),
    "host not ascii": head(host=b"Host: \xc3\xa9"),
    "host bad port": head(host=b"Host: a:b"),
    "host empty port": head(host=b"Host: a:"),
    "host two ports": head(host=b"Host: a:1:2"),
    "host bare ipv6": head(host=b"Host: ::1"),
    "host open bracket": head(host=b"Host: [::1"),
    "host too long": head(host=b"Host: " + b"x" * 300),
    "space before colon": head(b"X : y"),
    "no name": head(b": y"),
    "no colon": head(b"X"),
    "name with bracket": head(b"X[: y"),
    "name not ascii": head(b"\xc3\xa9: y"),
    "folded header": head(b"X: y", b" z"),
    "folded first header": head(b"X: y", host=b" Host: h"),
    "null in value": head(b"X: a\x00b"),
    "escape in value": head(b"X: a\x1bb"),
    "delete in value": head(b"X: a\x7fb"),
    "vertical tab in value": head(b"X: a\x0bb"),
    "bare lf": b"GET / HTTP/1.1\nHost: h\r\n\r\n",
    "bare lf at the end": b"GET / HTTP/1.1\r\nHost: h\r\nX: y\n\r\n\r\n",
    "bare cr": head(b"X: a\rb"),
    "cr before crlf": b"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n",
    "cl and te": head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "te and cl": head(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "cl and te in other case": head(b"content-LENGTH: 5", b"TRANSFER-encoding: chunked"),
    "two lengths, equal": head(b"Content-Length: 5", b"Content-Length: 5"),
    "two lengths": head(b"Content-Length: 5", b"Content-Length: 6"),
    "list of lengths": head(b"Content-Length: 5, 5"),
    "length +": head(b"Content-Length: +5"),
    "length -": head(b"Content-Length: -5"),
    "length hex": head(b"Content-Length: 0x5"),
    "length empty": head(b"Content-Length:"),
    "length text": head(b"Content-Length: five"),
    "length with space": head(b"Content-Length: 1 2"),
    "length with underscore": head(b"Content-Length: 1_2"),
    "length decimal": head(b"Content-Length: 5.0"),
    "length huge": head(b"Content-Length: 9999999999999999"),
    "length overflow": head(b"Content-Length: 99999999999999999999999"),
    "length not ascii digits": head("Content-Length: \u0665".encode()),
    "two codings": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "chunked twice": head(b"Transfer-Encoding: chunked, chunked"),
    "gzip then chunked": head(b"Transfer-Encoding: gzip, chunked"),
    "chunked then gzip": head(b"Transfer-Encoding: chunked, gzip"),
    "identity": head(b"Transfer-Encoding: identity"),
    "xchunked": head(b"Transfer-Encoding: xchunked"),
    "quoted chunked": head(b'Transfer-Encoding: "chunked"'),
    "chunked with parameter": head(b"Transfer-Encoding: chunked;x"),
    "vertical tab chunked": head(b"Transfer-Encoding: \x0bchunked"),
    "empty coding": head(b"Transfer-Encoding:"),
    "chunked in 1.0": head(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0"),
    "dot segment": head(start=b"GET /v1/../api/keys HTTP/1.1"),
    "dot segment at the end": head(start=b"GET /v1/.. HTTP/1.1"),
    "single dot": head(start=b"GET /v1/./x HTTP/1.1"),
    "encoded dots": head(start=b"GET /v1/%2e%2E/api HTTP/1.1"),
    "half encoded dots": head(start=b"GET /v1/.%2e/api HTTP/1.1"),
    "encoded slash after": head(start=b"GET /v1/..%2fapi HTTP/1.1"),
    "encoded slash before": head(start=b"GET /v1/x%2F../api HTTP/1.1"),
    "encoded slashes": head(start=b"GET /v1/x%2f..%2fapi HTTP/1.1"),
    "backslashes": head(start=b"GET /v1\\..\\api HTTP/1.1"),
    "encoded backslash": head(start=b"GET /v1%5c..%5capi HTTP/1.1"),
}


@pytest.mark.parametrize("raw", CORPUS.values(), ids=CORPUS.keys())
def test_malformed_heads_are_a_400(raw: bytes) -> None:
    assert refused(raw).status == 400


def test_other_expectations_are_a_417() -> None:
    assert refused(head(b"Expect: 200-maybe")).status == 417


@pytest.mark.parametrize(("count", "ok"), [(99, True), (100, False)])
def test_headers_are_counted(count: int, ok: bool) -> None:
    raw = head(*[b"x: y"] * count)
    if ok:
        assert len(parse(raw).headers) == 100
    else:
        assert refused(raw).status == 431


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, ErrorKind.BAD_REQUEST), (408, ErrorKind.BAD_REQUEST), (413, ErrorKind.TOO_LARGE), (417, ErrorKind.BAD_REQUEST),
     (431, ErrorKind.BAD_REQUEST)],
)  # fmt: skip
def test_a_refused_head_keeps_its_status_as_an_error(status: int, kind: ErrorKind) -> None:
    error = head_error(BadHead(status, "No."))
    assert (error.status, error.kind, error.public) == (status, kind, "No.")


# -- compared with h11, an independent and strict parser


tokens = st.text(alphabet="abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=10)
field_values = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
RESERVED = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "upgrade",
    "proxy-connection",
}


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(METHODS)),
    st.lists(st.tuples(tokens.filter(lambda t: t.lower() not in RESERVED), field_values), max_size=8),
    st.sampled_from(["", " ", "\t", "  \t"]),
)
def test_good_heads_are_read_as_h11_reads_them(
    method: bytes, fields: list[tuple[str, str]], space: str
) -> None:
    lines = [f"{name}:{space}{value}{space}".encode() for name, value in fields]
    raw = head(*lines, start=method + b" /v1/x?y HTTP/1.1")
    other = h11.Connection(h11.SERVER)
    other.receive_data(raw)
    event = other.next_event()
    assert isinstance(event, h11.Request)
    found = parse(raw)
    assert found.headers == [(bytes(n), bytes(v)) for n, v in event.headers]
    assert found.method == event.method


soup = st.lists(
    st.sampled_from(
        [
            b"GET",
            b"POST",
            b" ",
            b"/",
            b"/v1",
            b"HTTP/1.1",
            b"\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b":",
            b"Host: h",
            b"Host",
            b"x: y",
        ]
        + [
            b"Content-Length: 3",
            b"Transfer-Encoding: chunked",
            b"\t",
            b"\x00",
            b"\xff",
            b",",
            b"chunked",
            b"0",
        ]
    ),
    max_size=16,
)


@settings(max_examples=200, deadline=None)
@given(soup)
def test_whatever_is_sent_is_read_or_refused_never_a_crash(pieces: list[bytes]) -> None:
    raw = b"".join(pieces) + b"\r\n\r\n"
    try:
        found = parse(raw)
    except BadHead as error:
        assert error.status in (400, 417, 431)
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(raw)
    event = other.next_event()  # what we take, h11 takes too, and sees the same framing
    assert isinstance(event, h11.Request)
    framing = dict(event.headers)
    assert found.chunked == (framing.get(b"transfer-encoding", b"").lower() == b"chunked")
    assert found.content_length == (int(framing[b"content-length"]) if b"content-length" in framing else None)


# -- which headers travel


@pytest.mark.parametrize(
    "name",
    ["authorization", "x-api-key", "api-key", "cookie", "proxy-authorization", "host", "content-length", "transfer-encoding",
     "connection", "keep-alive", "te", "trailer", "upgrade", "expect", "accept-encoding", "forwarded", "via", "x-real-ip",
     "origin", "x-pointsman-strict", "x-pointsman-no-fallback", "x-forwarded-for", "x-forwarded-host", "sec-fetch-mode",
     "proxy-connection"],
)  # fmt: skip
def test_never_upstream(name: str) -> None:
    raw = name.encode()
    assert raw in NEVER_UPSTREAM or raw.startswith(NEVER_UPSTREAM_PREFIXES)


@pytest.mark.parametrize(
    "name",
    ["anthropic-version", "anthropic-beta", "openai-organization", "openai-project", "openai-beta", "x-stainless-lang",
     "user-agent", "content-type", "accept", "idempotency-key", "x-client-request-id", "traceparent", "x-custom", "referer"],
)  # fmt: skip
def test_everything_else_goes_upstream(name: str) -> None:
    raw = name.encode()
    assert raw not in NEVER_UPSTREAM
    assert not raw.startswith(NEVER_UPSTREAM_PREFIXES)


@pytest.mark.parametrize(
    "name",
    ["content-type", "retry-after", "x-should-retry", "anthropic-ratelimit-requests-remaining", "x-ratelimit-limit-tokens",
     "openai-processing-ms", "anthropic-organization-id", "cf-ray", "date", "server", "content-encoding"],
)  # fmt: skip
def test_reaches_the_client(name: str) -> None:
    raw = name.encode()
    assert raw not in NEVER_CLIENT
    assert not raw.startswith(NEVER_CLIENT_PREFIXES)


@pytest.mark.parametrize(
    "name",
    ["set-cookie", "content-length", "transfer-encoding", "connection", "x-request-id", "request-id", "alt-svc",
     "strict-transport-security", "access-control-allow-origin", "x-pointsman-target", "clear-site-data"],
)  # fmt: skip
def test_never_reaches_the_client(name: str) -> None:
    raw = name.encode()
    assert raw in NEVER_CLIENT or raw.startswith(NEVER_CLIENT_PREFIXES)


def test_the_control_plane_gets_what_it_judges() -> None:
    assert not {b"authorization", b"cookie", b"origin", b"host"} & TO_CONTROL
    assert {b"x-real-ip", b"forwarded", b"connection", b"content-length"} <= TO_CONTROL


# -- writing


def test_status_lines() -> None:
    assert status_line(200) == b"HTTP/1.1 200 OK\r\n"
    assert status_line(529) == b"HTTP/1.1 529 Overloaded\r\n"
    assert status_line(799) == b"HTTP/1.1 799 Status\r\n"


def test_chunk() -> None:
    assert chunk(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"
