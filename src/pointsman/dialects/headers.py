"""Headers between two protocols: an upstream's answer for a client of another one, and which of a client's own may travel.

docs/protocols/errors.md#rate-limit-headers. Same protocol on both ends: all headers travel, and
nothing here is asked. Which names a protocol has is in its Endpoint.
"""

from __future__ import annotations

import math
import time

from .endpoint import RateLimits
from .registry import DIALECTS, derived

Headers = list[tuple[bytes, bytes]]

_KEPT = frozenset((b"retry-after-ms", b"x-should-retry", b"x-request-id", b"request-id", b"date"))
_OF_THE_BODY = frozenset((b"content-type", b"accept"))
"""What the client says of its own body and of the answer's; across protocols both are made here."""


def cross_headers(headers: Headers, client: RateLimits | None) -> Headers:
    """The headers that mean something to the client, under the names of its protocol."""
    found: Headers = []
    meanings = _meanings()
    for name, value in headers:
        if name in _KEPT:
            found.append((name, value))
        # whole seconds: Claude Code reads no dates (docs/protocols/errors.md#retries-of-clients)
        elif name == b"retry-after":
            seconds = _seconds_until(value)
            if seconds is not None:
                found.append((name, b"%d" % seconds))
        elif client is not None and (meaning := meanings.get(name)) is not None:
            own = client.names.get(meaning)
            converted = client.reset(value) if meaning[0] == "reset" else value
            if converted is not None and own is not None:
                found.append((own, converted))
    return found


@derived
def meant() -> frozenset[bytes]:
    """The names that cross_headers() looks for, whichever the client's protocol is."""
    return _KEPT | {b"retry-after"} | _meanings().keys()


_MOST_UNMEANT = 500


@derived
def _unmeant() -> set[bytes]:
    """Header lines that mean nothing here: a backend sends the same ones each time."""
    return set()


def meant_rows(head: bytes) -> Headers:
    """wire.answer.plain_rows() of those that are meant()."""
    rows: Headers = []
    unmeant = _unmeant()
    for line in head.split(b"\r\n")[1:-2]:
        if line in unmeant:
            continue
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in meant():
            rows.append((name, value.strip(b" \t")))
            continue
        if len(unmeant) >= _MOST_UNMEANT:
            unmeant.clear()
        unmeant.add(line)
    return rows


@derived
def _meanings() -> dict[bytes, tuple[str, str]]:
    """Of rate-limit headers, whichever vendor's name they have, since a backend may pass on another's."""
    every = [dialect.endpoint.rate_limits for dialect in DIALECTS.values()]
    found: dict[bytes, tuple[str, str]] = {}
    for limits in every:
        for meaning, name in limits.names.items() if limits is not None else ():
            found.setdefault(name, meaning)
    return found


def without_rate_limits(lines: bytes) -> bytes:
    """Header lines less those that tell what is left of a rate."""
    told = _meanings()
    kept = [line for line in lines.split(b"\r\n") if line and line.partition(b":")[0] not in told]
    return b"".join([line + b"\r\n" for line in kept])


@derived
def private_headers() -> tuple[frozenset[bytes], tuple[bytes, ...]]:
    """(names, beginnings of names) of request headers that a backend of another protocol does not get."""
    endpoints = [dialect.endpoint for dialect in DIALECTS.values()]
    names = frozenset(name for endpoint in endpoints for name in endpoint.private)
    prefixes = tuple(prefix for endpoint in endpoints for prefix in endpoint.private_prefixes)
    return names | _OF_THE_BODY, tuple(dict.fromkeys(prefixes))


def _seconds_until(value: bytes) -> int | None:
    if value.isdigit():
        return int(value)
    from email.utils import parsedate_to_datetime  # see resilience/comeback.py

    try:
        moment = parsedate_to_datetime(value.decode("latin-1"))
    except ValueError:
        return None
    return max(0, math.ceil(moment.timestamp() - time.time()))
