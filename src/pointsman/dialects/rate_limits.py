"""Times of reset in both forms that vendors use: a duration (`6m0s`) and a moment (RFC 3339). Pure but for the clock."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def as_moment(value: bytes) -> bytes | None:
    """`6m0s` -> the moment that is, RFC 3339. None when it is neither."""
    text = value.decode("latin-1")
    if "T" in text:
        return value
    pieces = _DURATION.findall(text)
    if not pieces:
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in pieces)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds)).encode()


def as_duration(value: bytes) -> bytes | None:
    """An RFC 3339 moment -> how long until then, `12s`. None when it is no moment."""
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
