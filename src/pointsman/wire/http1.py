"""HTTP/1.1 heads and chunks for the server side, and which headers may travel. Bytes in, values out, no I/O.

llhttp (httptools) judges the grammar; the checks here refuse what it lets pass
(docs/reliability-promises.md#heads-of-requests).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httptools

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .authority import AUTHORITY

_HOP_BY_HOP = {
    b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    b"http2-settings",
}  # fmt: skip
_CREDENTIALS = {
    b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"proxy-authorization", b"cookie", b"cookie2",
}  # fmt: skip
FORWARDED = {b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"}
FORWARDED_PREFIX = b"x-forwarded-"
NEAR = b"x-pointsman-near"
"""Our word to the control plane: this machine itself asks. A client's own is dropped."""

NEVER_UPSTREAM = frozenset(
    # We write host, length and encoding ourselves, and bodies go on plain (gateway/request/unpacking.py); `origin` is
    # judged here, and local servers refuse foreign ones.
    _HOP_BY_HOP
    | _CREDENTIALS
    | FORWARDED
    | {b"host", b"content-length", b"content-encoding", b"accept-encoding", b"expect", b"origin"}
)
NEVER_UPSTREAM_PREFIXES = (b"x-pointsman-", FORWARDED_PREFIX, b"proxy-", b"sec-")
TO_CONTROL = frozenset(_HOP_BY_HOP | FORWARDED | {b"content-length", b"expect", b"x-request-id", NEAR})
NEVER_CLIENT = frozenset(
    # Cookies and policies of the upstream's origin mean nothing, or harm, at ours.
    _HOP_BY_HOP
    | {b"content-length", b"set-cookie", b"set-cookie2", b"strict-transport-security", b"alt-svc",
       b"x-request-id", b"request-id", b"proxy-authenticate", b"clear-site-data", b"public-key-pins"}
)  # fmt: skip
NEVER_CLIENT_PREFIXES = (b"x-pointsman-", b"access-control-")

METHODS = {one: one for one in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")}

_TARGET_OK = re.compile(rb"/[\x21-\x7e]*|\*").fullmatch
_DOT_SEGMENT = re.compile(rb"(?:/|%2f|%5c|\\)(?:\.|%2e){1,2}(?:/|%2f|%5c|\\|$)", re.IGNORECASE).search
_ABSOLUTE = re.compile(rb"http://([^/?#]*)([/?][^#]*|)", re.IGNORECASE).fullmatch
_SLASHES = re.compile(rb"/{2,}").sub
_HOST_OK = re.compile(AUTHORITY.encode()).fullmatch
_DIGITS = re.compile(rb"[0-9]{1,15}").fullmatch
_ALLOWED_IN_HEAD = bytes(c for c in range(256) if c >= 0x20 and c != 0x7F) + b"\t\r\n"


class BadHead(Exception):
    """A request head we refuse. status: 400, 408, 413, 417 or 431; text: what is wrong."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    @staticmethod
    def too_large(limit: int) -> BadHead:
        """Of a body beyond its limit in bytes; says what sets it."""
        return BadHead(413, f"The body is larger than {limit} bytes (the limit, POINTSMAN_BODY_BYTES).")


@dataclass(slots=True, init=False, eq=False)
class RequestHead:
    """A parsed request head. Header names are lower-case bytes; values as they came, without space around them.

    content_length: None without a body or when chunked. host: as sent, never empty. get(name): value of a header by
    lower-case name (the last one, where it was sent twice), None without one.
    """

    method: bytes
    path: str
    query: bytes
    http11: bool
    keep_alive: bool
    content_length: int | None
    chunked: bool
    expect_continue: bool
    host: bytes
    headers: list[tuple[bytes, bytes]]
    get: Callable[[bytes], bytes | None]  # a dict's own: asked eight times a request
    forward: tuple[bytes, frozenset[bytes]] | None  # what of it travels upstream, once that was asked
    across: tuple[bytes, frozenset[bytes]] | None  # the same for a backend of another protocol
    varying: tuple[bytes, ...]  # names whose values the next head may change (gateway/client/head_memory.py)
    asker: Any  # what the lane has found of it (gateway/lane/begin.py)


@dataclass(slots=True)
class _Collector:
    """What llhttp calls back into."""

    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    url: bytes = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append(
            _line(name.lower(), value.rstrip(b" \t"))
        )  # llhttp trims only what stands before it


_REPEATED = frozenset((
    b"accept", b"accept-encoding", b"accept-language", b"anthropic-beta", b"anthropic-version", b"connection",
    b"content-type", b"host", b"sec-fetch-mode", b"user-agent", b"x-app", b"x-stainless-arch", b"x-stainless-async",
    b"x-stainless-helper-method", b"x-stainless-lang", b"x-stainless-os", b"x-stainless-package-version",
    b"x-stainless-runtime", b"x-stainless-runtime-version", b"x-stainless-timeout",
))  # fmt: skip
_MOST_SHARED, _LONGEST_SHARED = 1024, 256
_shared_lines: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = {}
_shared_names: dict[bytes, bytes] = {}


def _line(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header line, one object however many open connections have it: a stream that is open keeps its head. Shared are
    names, and the values of headers that all requests of a client have in common; never those that may hold a key."""
    line = (name, value)
    if name in _REPEATED and len(value) <= _LONGEST_SHARED:
        if line not in _shared_lines and len(_shared_lines) >= _MOST_SHARED:
            return line
        return _shared_lines.setdefault(line, line)
    if name not in _shared_names:
        if len(_shared_names) >= _MOST_SHARED or len(name) > _LONGEST_SHARED:
            return line
        _shared_names[name] = name
    return (_shared_names[name], value)


def parse_head(raw: bytes, max_headers: int) -> RequestHead:
    """A request head from its bytes, the empty line included. Raises BadHead."""
    if raw.translate(None, _ALLOWED_IN_HEAD):
        raise BadHead(400, "The request head has a control character in it.")
    if not raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n"):
        raise BadHead(400, "The request head has a bare line feed or carriage return.")
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # RFC 9110 7.8: a server may ignore Upgrade; the request itself is served
    except httptools.HttpParserInvalidMethodError:
        raise BadHead(400, "This method is not known.") from None
    except httptools.HttpParserError as error:
        raise BadHead(400, f"The request is not valid HTTP/1.1: {error}.") from None
    if not raw[: raw.index(b"\r\n", 2)].endswith(
        (b" HTTP/1.1", b" HTTP/1.0")
    ):  # llhttp also knows RTSP and 0.9
        raise BadHead(400, "Only the HTTP versions 1.0 and 1.1 are spoken here.")
    if len(collector.headers) > max_headers:
        raise BadHead(431, f"The request has more than {max_headers} headers.")
    return _judged(parser, collector)


def _judged(parser: httptools.HttpRequestParser, collector: _Collector) -> RequestHead:
    head = RequestHead()
    head.forward = None
    head.across = None
    head.asker = None
    head.varying = ()
    method = METHODS.get(parser.get_method())
    if method is None:
        raise BadHead(400, "This method is not known.")
    head.method = method
    head.http11 = parser.get_http_version() == "1.1"
    head.headers = collector.headers
    single = dict(collector.headers)
    head.get = single.get
    # Asked of the headers: llhttp has forgotten a message without a body by now.
    head.keep_alive = head.http11
    if b"connection" in single:
        said = b",".join(value for name, value in head.headers if name == b"connection").lower()
        tokens = {token.strip() for token in said.split(b",")}
        head.keep_alive = b"close" not in tokens and (head.http11 or b"keep-alive" in tokens)
    url = collector.url
    if url[:1] != b"/":
        url = _from_absolute(head, url)
    _judge_target(head, url)
    _judge_host(head)
    _judge_framing(head)
    expect = single.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise BadHead(417, "Only 'Expect: 100-continue' is understood.")
    head.expect_continue = expect is not None and head.http11
    return head


def _from_absolute(head: RequestHead, url: bytes) -> bytes:
    """ "A server MUST accept the absolute-form in requests", and goes by its host instead of the Host header (RFC 9112,
    sections 3.2.2 and 3.3). Gives the path and query; any other form as it is."""
    found = _ABSOLUTE(url)
    if found is None:
        return url
    if sum(name == b"host" for name, _ in head.headers) > 1:
        raise BadHead(400, "The Host header is not valid.")
    head.headers = [one for one in head.headers if one[0] != b"host"] + [(b"host", found[1])]
    head.get = dict(head.headers).get
    return found[2] if found[2].startswith(b"/") else b"/" + found[2]


def _judge_target(head: RequestHead, url: bytes) -> None:
    path, _, head.query = url.partition(b"?")
    if not _TARGET_OK(url) or b"#" in url or (path == b"*" and head.method != b"OPTIONS"):
        raise BadHead(400, "The request target must be a path such as /v1/models.")
    if b"." in path or b"%" in path:
        if _DOT_SEGMENT(path):
            raise BadHead(400, "The path must not have '.' or '..' segments.")
    if b"//" in path:  # as servers clean it that do: what is judged here is what travels
        path = _SLASHES(b"/", path)
    head.path = sys.intern(path.decode("ascii"))  # one object however many connections ask for it


def _judge_host(head: RequestHead) -> None:
    host = head.get(b"host")
    if host is None:
        if head.http11:
            raise BadHead(400, "The Host header is missing.")
        host = b"localhost"  # HTTP/1.0 knows no Host
    elif not _HOST_OK(host) or sum(name == b"host" for name, _ in head.headers) > 1:
        raise BadHead(400, "The Host header is not valid.")
    head.host = host


def _judge_framing(head: RequestHead) -> None:
    coding = head.get(b"transfer-encoding")
    length = head.get(b"content-length")
    head.content_length = None
    head.chunked = False
    if coding is None and length is None:
        return
    if coding is not None and length is not None:
        raise BadHead(400, "Content-Length and Transfer-Encoding must not come together.")
    counted = b"content-length" if coding is None else b"transfer-encoding"
    if sum(name == counted for name, _ in head.headers) > 1:
        raise BadHead(400, f"The header {counted.decode()} came twice.")
    if coding is not None:
        if coding.lower() != b"chunked" or not head.http11:
            raise BadHead(400, "The only transfer coding understood is 'chunked', in HTTP/1.1.")
        head.chunked = True
    elif length is not None:
        if not _DIGITS(length):
            raise BadHead(400, "The Content-Length header is not a number.")
        head.content_length = int(length)


class ChunkedBody:
    """A chunked request body. Strict: CRLF only, bounded extensions and trailers (RFC 9112 section 7.1).

    Linear in what is fed, however small the chunks: a body of one-byte chunks must not stall the others.
    """

    _LINE = 256
    _TRAILERS = 8192
    _SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e]*)?").fullmatch

    def __init__(self, limit: int) -> None:
        self._buffer = b""
        self._body = bytearray()
        self._limit = limit
        self._need = 0
        self._state = "size"
        self.size = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """(body, bytes after it) when complete, else None. Raises BadHead 400 on bad framing, 413 over the limit."""
        buffer = self._buffer + data if self._buffer else data
        at = 0
        while True:
            match self._state:
                case "size":
                    end = self._line_end(buffer, at)
                    if end is None:
                        break
                    self._start_chunk(buffer[at:end])
                    at = end + 2
                case "data":
                    piece = buffer[at : at + self._need]
                    self._body += piece
                    self._need -= len(piece)
                    at += len(piece)
                    if self._need:
                        break
                    self._state = "end"
                case "end":
                    if not self._ended(buffer[at : at + 2]):
                        break
                    at += 2
                    self._state = "size"
                case _:
                    end = self._trailers_end(buffer, at)
                    if end is None:
                        break
                    return bytes(self._body), buffer[end:]
        self._buffer = buffer[at:]
        return None

    def _line_end(self, buffer: bytes, at: int) -> int | None:
        end = buffer.find(b"\r\n", at, at + self._LINE + 2)
        if end >= 0:
            return end
        if len(buffer) - at > self._LINE + 1 or buffer.find(b"\n", at) >= 0:
            raise BadHead(400, "The chunked body has a bad chunk line.")
        return None

    def _start_chunk(self, line: bytes) -> None:
        match = self._SIZE(line)
        if match is None:
            raise BadHead(400, "The chunked body has a bad chunk size.")
        self._need = int(match[1], 16)
        self.size += self._need
        if self.size > self._limit:
            raise BadHead.too_large(self._limit)
        self._state = "data" if self._need else "trailers"

    @staticmethod
    def _ended(line_end: bytes) -> bool:
        if not b"\r\n".startswith(line_end):
            raise BadHead(400, "The chunked body has a chunk longer than its size.")
        return len(line_end) == 2

    def _trailers_end(self, buffer: bytes, at: int) -> int | None:
        if buffer.startswith(b"\r\n", at):
            return at + 2
        end = buffer.find(b"\r\n\r\n", at, at + self._TRAILERS + 4)
        if end < 0 and len(buffer) - at > self._TRAILERS + 3:
            raise BadHead(400, "The chunked body has too many trailers.")
        trailers = buffer[at:end] if end >= 0 else buffer[at:].removesuffix(b"\r")
        if b"\r" in trailers.replace(b"\r\n", b"") or b"\n" in trailers.replace(b"\r\n", b""):
            raise BadHead(400, "The chunked body has a trailer with a bare line end.")
        return (
            end + 4 if end >= 0 else None
        )  # trailers are read and forgotten: nothing here may arrive that way


_REASONS = {status.value: status.phrase for status in HTTPStatus} | {
    529: "Overloaded",
    499: "Client Closed Request",
}
_STATUS_LINES = {code: f"HTTP/1.1 {code} {phrase}\r\n".encode() for code, phrase in _REASONS.items()}


def status_line(status: int) -> bytes:
    """`HTTP/1.1 200 OK` and its line end."""
    return _STATUS_LINES.get(status) or f"HTTP/1.1 {status} Status\r\n".encode()


_digits: dict[int, bytes] = {}
_MOST_DIGITS = 2048


def digits(size: int) -> bytes:
    """A size as a header has it. Bodies are of few sizes, and to look one up costs a third."""
    found = _digits.get(size)
    if found is None:
        found = b"%d" % size
        if len(_digits) < _MOST_DIGITS:
            _digits[size] = found
    return found


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; that of nothing is the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def head_error(error: BadHead) -> PointsmanError:
    """A refused head as an error that a dialect can render."""
    kind = ErrorKind.TOO_LARGE if error.status == 413 else ErrorKind.BAD_REQUEST
    return PointsmanError(kind, error.text, status=error.status)
