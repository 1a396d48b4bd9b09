"""When a target may be asked again, as it says itself, in any vendor's form
(docs/reliability-promises.md#when-a-target-may-be-asked-again). Pure.

Not here: how long it is left alone then (backoff.py bounds that), and what rate-limit headers become in another
protocol (dialects/rate_limits.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Comeback:
    """seconds: never negative. sure: it says so of this very refusal, not only of limits that are counted anyway."""

    seconds: float
    sure: bool = True


def retry_after(headers: Headers, wall: float) -> float | None:
    """Seconds by `retry-after-ms` (OpenAI), else `retry-after` in seconds or as a date (RFC 9110 section 10.2.3), which is
    read against the answer's own `Date`: a server's clock may be wrong, ours too. None when it says nothing that can be
    read. wall: unix seconds, where the answer has no date."""
    found = exact = None
    for name, value in headers:
        if name == b"retry-after-ms":
            seconds = _number(value)
            exact = seconds / 1000.0 if seconds is not None else exact
        elif name == b"retry-after" and found is None:
            found = value
    if exact is not None or found is None:
        return exact
    seconds = _number(found)
    return _until(_date(found), _now(headers, wall)) if seconds is None else seconds


def comeback(headers: Headers, body: bytes, wall: float) -> Comeback | None:
    """Of a 429, whose limits are told by more than `retry-after`. body: its own words too."""
    said = retry_after(headers, wall)
    said = _in_words(body) if said is None else said
    return Comeback(said) if said is not None else _reset(headers, _now(headers, wall))


_DELAY = re.compile(rb'"retryDelay\\?"\s*:\s*\\?"(\d+(?:\.\d+)?)s')
"""google.rpc.RetryInfo, whose duration is JSON's form of google.protobuf.Duration."""
_WORDS = re.compile(
    rb"(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)?(?:ms|s|m|h)(?![a-z])){1,4})", re.IGNORECASE
)
"""OpenAI and Groq: "Please try again in 6m0s."; Gemini: "Please retry in 34.07s."."""
_LOOKED_AT = 64 * 1024


def _in_words(body: bytes) -> float | None:
    text = body[:_LOOKED_AT]
    delay = _DELAY.search(text)
    if delay is not None:
        return _number(delay[1])
    words = _WORDS.search(text)
    return _duration(words[1].lower()) if words is not None else None


_LIMITS = re.compile(rb"(?:x-|anthropic-)?ratelimit(?:-[a-z0-9-]+)?")


def _reset(headers: Headers, now: float) -> Comeback | None:
    """By the limits that are used up: the last of them to be there again. Where nothing says which one is, the first, since
    all of them are told on every answer."""
    limits = {name: value for name, value in headers if _LIMITS.fullmatch(name)}
    used_up: list[float] = []
    others: list[float] = []
    doubtful: list[float] = []
    for name, value in limits.items():
        seconds = _moment(value, now) if b"reset" in name.split(b"-") else None
        if seconds is None:
            continue
        left = limits.get(name.replace(b"reset", b"remaining"))
        if left is None:
            others.append(seconds)
        else:
            (used_up if left.strip() in (b"0", b"0.0") else doubtful).append(seconds)
    if used_up:
        return Comeback(max(used_up))
    if others:
        return Comeback(min(others))
    return Comeback(min(doubtful), sure=False) if doubtful else None


_PIECE = re.compile(rb"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {b"ms": 0.001, b"s": 1.0, b"m": 60.0, b"h": 3600.0, b"d": 86400.0}
_EPOCH, _EPOCH_MS = 1e9, 1e12


def _moment(value: bytes, now: float) -> float | None:
    """`12`, `6m0s`, an RFC 3339 moment, unix seconds or milliseconds -> seconds from now."""
    text = value.strip()
    try:
        number = float(text)
    except ValueError:
        if b"T" in text:
            return _until(_iso(text), now)
        return _duration(text)
    if not 0.0 <= number < 1e15:
        return None
    if number >= _EPOCH:
        number = max(0.0, (number / 1000.0 if number >= _EPOCH_MS else number) - now)
    return number


def _duration(text: bytes) -> float | None:
    pieces = _PIECE.findall(text)
    if not pieces or b"".join(b"".join(piece) for piece in pieces) != text.replace(b" ", b""):
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in pieces)
    return seconds if seconds < 1e9 else None


def _number(value: bytes) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0.0 <= number < 1e9 else None  # also refuses nan


def _iso(text: bytes) -> float | None:
    try:
        moment = datetime.fromisoformat(text.decode("ascii"))
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _date(value: bytes) -> float | None:
    from email.utils import parsedate_to_datetime  # a third of a megabyte, for what few backends write

    try:
        return parsedate_to_datetime(value.decode("ascii")).timestamp()
    except (ValueError, OverflowError):
        return None


def _now(headers: Headers, wall: float) -> float:
    """Unix seconds by the answer's own clock."""
    dated = next((_date(value) for name, value in headers if name == b"date"), None)
    return wall if dated is None else dated


def _until(moment: float | None, now: float) -> float | None:
    return None if moment is None else max(0.0, moment - now)
