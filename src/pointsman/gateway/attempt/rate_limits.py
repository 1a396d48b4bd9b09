"""An upstream's headers for a client of another protocol: rate limits converted, retry-after kept, the rest left out.

PROTOCOLS.md 12.5. Same protocol on both ends: all headers travel, and nothing here is asked.
"""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ...kinds import Protocol
from .answer import Headers

_KEPT = frozenset((b"retry-after-ms", b"x-should-retry", b"x-request-id", b"request-id", b"date"))
_OPENAI = re.compile(rb"x-ratelimit-(limit|remaining|reset)-(requests|tokens)")
_ANTHROPIC = re.compile(rb"anthropic-ratelimit-(requests|tokens)-(limit|remaining|reset)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def cross_headers(headers: Headers, client: Protocol) -> Headers:
    """The headers that mean something to the client, under the names of its protocol."""
    to_anthropic = client == Protocol.ANTHROPIC_MESSAGES
    found: Headers = []
    for name, value in headers:
        if name in _KEPT:
            found.append((name, value))
            continue
        if name == b"retry-after":  # whole seconds: Claude Code reads no dates (PROTOCOLS.md 12.4)
            seconds = _seconds_until(value)
            if seconds is not None:
                found.append((name, b"%d" % seconds))
            continue
        if match := _OPENAI.fullmatch(name):
            what, unit = match[1], match[2]
        elif match := _ANTHROPIC.fullmatch(name):
            unit, what = match[1], match[2]
        else:
            continue
        if what == b"reset":
            converted = _as_time(value) if to_anthropic else _as_duration(value)
            if converted is None:
                continue
            value = converted
        new = (
            b"anthropic-ratelimit-%b-%b" % (unit, what)
            if to_anthropic
            else b"x-ratelimit-%b-%b" % (what, unit)
        )
        found.append((new, value))
    return found


def _seconds_until(value: bytes) -> int | None:
    if value.isdigit():
        return int(value)
    try:
        moment = parsedate_to_datetime(value.decode("latin-1"))
    except ValueError:
        return None
    return max(0, math.ceil(moment.timestamp() - time.time()))


def _as_time(value: bytes) -> bytes | None:
    """`6m0s` -> the moment that is, RFC 3339."""
    text = value.decode("latin-1")
    if "T" in text:
        return value
    pieces = _DURATION.findall(text)
    if not pieces:
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in pieces)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds)).encode()


def _as_duration(value: bytes) -> bytes | None:
    """An RFC 3339 moment -> how long until then, `12s`."""
    text = value.decode("latin-1")
    if "T" not in text:
        return value
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return b"%ds" % max(0, round(moment.timestamp() - time.time()))
