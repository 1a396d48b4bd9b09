"""Content codings, undone: gzip, deflate and zstd, br where a library for it is there (RFC 9110 section 8.4.1).

Bytes in, bytes out, piece by piece, so that a bomb takes no memory: whoever wants no more stops asking. Not here: who is
decoded, and what a damaged answer means (upstream/decoded.py, gateway/attempt, gateway/request/unpacking.py).
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from typing import Any
from typing import Protocol as TypingProtocol

from ..errors import PointsmanError
from ..kinds import ErrorKind

PIECE = 64 * 1024
"""Decoded bytes that are made at a time."""
MAX_CODINGS = 3
"""One on top of the other; nobody uses more than two."""
MAX_MEMBERS = 4096
"""Of a whole body: bgzip, which makes the most, has one for 64 KiB. An empty one costs 9 bytes and as much time as any."""
_WINDOW_LOG = 23
"""8 MiB: what a zstd decoder must take, and need not exceed (RFC 9659)."""


class CodingError(ValueError):
    """The bytes are not of that coding, or damaged."""


class _Member(TypingProtocol):
    """One coded unit. done: it has come to its own end. hungry: it gives no more without more input."""

    done: bool
    hungry: bool

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """(about PIECE bytes at most, what is left of `data`)."""


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._one = zlib.decompressobj(wbits)
        self.done = False
        self.hungry = True

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        piece = self._one.decompress(data, PIECE)
        self.done = self._one.eof
        self.hungry = len(piece) < PIECE
        return piece, self._one.unused_data if self.done else self._one.unconsumed_tail


class _Deflate:
    """With zlib's header, as the RFC has it, or without, as some servers send it."""

    def __init__(self) -> None:
        self._begun = b""
        self._one: _Zlib | None = None
        self.done = False
        self.hungry = True

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        if self._one is None:
            data = self._begun = self._begun + data
            if len(data) < 2:
                return b"", b""
            headed = data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._one = _Zlib(zlib.MAX_WBITS if headed else -zlib.MAX_WBITS)
        found = self._one.take(data)
        self.done, self.hungry = self._one.done, self._one.hungry
        return found


class _Zstd:
    """As the standard library has it from Python 3.14 on, and backports.zstd before."""

    def __init__(self) -> None:
        library = _installed("compression.zstd", "backports.zstd")
        limit = {library.DecompressionParameter.window_log_max: _WINDOW_LOG}
        self._one = library.ZstdDecompressor(options=limit)
        self.done = False
        self.hungry = True

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        piece: bytes = self._one.decompress(data, PIECE)
        self.done = self._one.eof
        self.hungry = self.done or self._one.needs_input
        return piece, self._one.unused_data if self.done else b""


class _Brotli:
    def __init__(self, library: Any) -> None:
        self._one = library.Decompressor()
        self.done = False
        self.hungry = True

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        piece: bytes = self._one.process(data, output_buffer_limit=PIECE)
        self.done = self._one.is_finished()
        self.hungry = not piece and self._one.can_accept_more_data()
        return piece, b""


@cache
def _installed(*names: str) -> Any:
    for name in names:
        with suppress(ImportError):
            return importlib.import_module(name)
    return None


def _brotli() -> Callable[[], _Member] | None:
    """Only a version whose output can be bounded (1.2 and later)."""
    library = _installed("brotli")
    bounded = library is not None and hasattr(library.Decompressor, "can_accept_more_data")
    return partial(_Brotli, library) if bounded else None


_GZIP = partial(_Zlib, 16 + zlib.MAX_WBITS)
_CODINGS: dict[bytes, Callable[[], Callable[[], _Member] | None]] = {
    b"gzip": lambda: _GZIP,
    b"x-gzip": lambda: _GZIP,
    b"deflate": lambda: _Deflate,
    b"zstd": lambda: _Zstd,
    b"br": _brotli,
}


def known() -> bytes:
    """The codings that can be undone here, as a header lists them."""
    return b", ".join(name for name, make in _CODINGS.items() if name != b"x-gzip" and make() is not None)


class Decoder:
    """Of one coding. most: members that there may be. whole: nothing is open, so that an end here is no cut."""

    def __init__(self, member: Callable[[], _Member], most: int | None = None) -> None:
        self._make = member
        self._open: _Member | None = None
        self._closed = 0  # members that have come to their end
        self._most = most

    @property
    def whole(self) -> bool:
        return self._open is None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` gives, in pieces that are made when they are asked for. Members may follow each other, and zeros
        after the last one, as gzip has them. Raises CodingError."""
        while data:
            if self._open is None and self._closed:
                data = data.lstrip(b"\0")
                if not data:
                    return
            self._open = self._open or self._make()
            while True:
                try:
                    piece, data = self._open.take(data)
                except Exception as error:  # every library has its own
                    raise CodingError(str(error)) from error
                if piece:
                    yield piece
                if self._open.done:
                    self._open, self._closed = None, self._closed + 1
                    if self._most is not None and self._closed > self._most:
                        raise CodingError(f"it has more than {self._most} members")
                    break
                if not data and self._open.hungry:
                    return


class _Chain:
    """Of codings on top of each other, the outermost first."""

    def __init__(self, decoders: list[Decoder]) -> None:
        self._decoders = decoders

    @property
    def whole(self) -> bool:
        return all(one.whole for one in self._decoders)

    def feed(self, data: bytes) -> Iterator[bytes]:
        pieces: Iterator[bytes] = iter((data,))
        for one in self._decoders:
            pieces = _through(one, pieces)
        return pieces


def _through(one: Decoder, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from one.feed(piece)


class Nothing:
    """For a body that nobody can read and nobody has to."""

    whole = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Nothing."""
        return iter(())


Decoding = Decoder | _Chain | Nothing


def decoder(codings: bytes) -> Decoding | None:
    """For the value of Content-Encoding (several lines joined by commas). None where one of them cannot be undone
    here."""
    found = _decoders(codings)
    if found is None:
        return None
    return found[0] if len(found) == 1 else _Chain(found)


def _decoders(codings: bytes, most: int | None = None) -> list[Decoder] | None:
    """The outermost first. most: see Decoder."""
    names = [
        one for one in (name.strip().lower() for name in codings.split(b",")) if one not in (b"", b"identity")
    ]
    if len(names) > MAX_CODINGS:
        return None
    found: list[Decoder] = []
    for name in reversed(names):
        make = _CODINGS.get(name)
        member = make() if make is not None else None
        if member is None:
            return None
        found.append(Decoder(member, most))
    return found


def decoded(codings: bytes, body: bytes, limit: int) -> bytes:
    """A whole body, in time that grows as it and its `limit` do. Raises CodingError, also where it is cut, has more than
    MAX_MEMBERS or its coding is not known, and OverflowError for more than `limit` bytes, also between two codings."""
    found = _decoders(codings, MAX_MEMBERS)
    if found is None:
        raise CodingError(f"the coding {codings[:40]!r} cannot be undone here")
    for one in found:
        body = _undone(one, body, limit)
    return body


def plain_body(codings: bytes, body: bytes, limit: int) -> bytes:
    """A request's body. Raises PointsmanError 415 (Accept-Encoding: known() belongs to it) and 400, and OverflowError as
    decoded() does."""
    if decoder(codings) is None:
        raise PointsmanError(
            ErrorKind.BAD_REQUEST,
            f"The body's Content-Encoding '{_shown(codings)}' is not known here. Send it plain, or as one of: "
            f"{known().decode()}.",
            status=415,
        )
    try:
        return decoded(codings, body, limit)
    except CodingError:
        raise PointsmanError(
            ErrorKind.BAD_REQUEST,
            f"The body is not whole in its Content-Encoding '{_shown(codings)}': it is cut or damaged, or has more "
            f"than {MAX_MEMBERS:,} members.",
        ) from None


def _shown(codings: bytes) -> str:
    text = codings[:80].decode("latin-1")
    return "".join(c if c.isprintable() else "?" for c in text)


def _undone(one: Decoder, body: bytes, limit: int) -> bytes:
    """A slice at a time: decoders copy what is left of their input, again and again."""
    pieces: list[bytes] = []
    size = 0
    for at in range(0, len(body), PIECE):
        for piece in one.feed(body[at : at + PIECE]):
            size += len(piece)
            if size > limit:
                raise OverflowError(f"more than {limit} bytes")
            pieces.append(piece)
    if not one.whole:
        raise CodingError("it is cut")
    return b"".join(pieces)
