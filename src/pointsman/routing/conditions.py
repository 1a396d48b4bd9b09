"""What a rule may ask of a request before it takes it (`--when`), a closed list: how it is written, whether it holds, and
which condition holds wherever another does. Pure.

Not here: how a request is read (translation/sight.py), and who is asked in which order (table.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..conversation.request import EFFORTS
from ..kinds import Protocol

IMAGES, DOCUMENTS, AUDIO, TOOLS = "images", "documents", "audio", "tools"
WEB_SEARCH, THINKING, STRUCTURED = "web-search", "thinking", "structured"
CONTENTS = (IMAGES, DOCUMENTS, AUDIO, TOOLS, WEB_SEARCH, THINKING, STRUCTURED)
"""Those that stand in a request or do not."""
PROTOCOLS = tuple(protocol.value for protocol in Protocol)
MOST_CONDITIONS = 16
"""Of one rule."""
MOST_LETTERS = 200
_MOST_TOKENS = 10**9
_HINT = (
    f"write one of: tokens>N, {', '.join(CONTENTS)}, effort=high, client=NAME, key=NAME, protocol=openai_chat,"
    " header:NAME=VALUE, hours=22-7"
)
_SECRET = frozenset(
    ("authorization", "proxy-authorization", "x-api-key", "cookie", "api-key", "x-goog-api-key")
)
"""Headers that hold what must not stand in a rule."""
_header_name = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+").fullmatch
_clock = re.compile(r"([01]?\d|2[0-4])(?::([0-5]\d))?").fullmatch
_DAY = 24 * 60


class Contents(NamedTuple):
    """What of a body conditions ask for. tokens: of its input, estimated. has: of CONTENTS. effort: of EFFORTS, None where
    the client says nothing of it."""

    tokens: int
    has: frozenset[str] = frozenset()
    effort: str | None = None


class Sight(NamedTuple):
    """What a condition sees of one request. clients: what its program is called. key: its client key's name, "" of none,
    None where it is not known. header: value of the header of that lower-case name. at: unix seconds. contents: None where
    the body cannot be read."""

    protocol: str
    clients: frozenset[str]
    key: str | None
    header: Callable[[str], str | None]
    at: float
    contents: Contents | None


class Condition(NamedTuple):
    """kind: what stands before the sign. value: what stands behind it, in one form; of a header `NAME=VALUE`."""

    kind: str
    value: str = ""

    @property
    def text(self) -> str:
        """As it is stored and told."""
        sign = {"tokens": ">", "header": ":"}.get(self.kind, "=")
        return f"{self.kind}{sign}{self.value}" if self.value else self.kind

    @property
    def of_body(self) -> bool:
        """Must the body be read for it?"""
        return self.kind in CONTENTS or self.kind in ("tokens", "effort")

    def holds(self, sight: Sight) -> bool | None:
        """None where that cannot be told of this request."""
        if self.of_body:
            return None if sight.contents is None else self._in(sight.contents)
        if self.kind == "client":
            return self.value in sight.clients
        if self.kind == "key":
            return None if sight.key is None else sight.key == self.value
        if self.kind == "protocol":
            return sight.protocol == self.value
        if self.kind == "header":
            name, _, value = self.value.partition("=")
            return sight.header(name) == value
        return _within(self.value, sight.at)

    def _in(self, contents: Contents) -> bool:
        if self.kind == "tokens":
            return contents.tokens > int(self.value)
        if self.kind == "effort":
            return contents.effort == self.value
        return self.kind in contents.has


@lru_cache(maxsize=4096)
def parse(text: str) -> Condition:
    """One condition as somebody writes it. Raises ValueError saying what to write."""
    text = text.strip()
    if len(text) > MOST_LETTERS:
        raise ValueError(f"a condition has at most {MOST_LETTERS} characters")
    if text.lower() in CONTENTS:
        return Condition(text.lower())
    kind, sign, value = _parts(text)
    read = _READERS.get((kind, sign))
    if read is None:
        raise ValueError(f"{text!r} is no condition; {_HINT}")
    return Condition(kind, read(value.strip()))


def _parts(text: str) -> tuple[str, str, str]:
    found = re.match(r"\s*([A-Za-z-]+)\s*([>=:])", text)
    return (found[1].lower(), found[2], text[found.end() :]) if found is not None else (text, "", "")


def _tokens(value: str) -> str:
    digits = value.replace("_", "").replace(",", "")
    thousand = re.fullmatch(r"(\d{1,7})[kK]", digits)
    digits = f"{thousand[1]}000" if thousand is not None else digits
    if not re.fullmatch(r"\d{1,10}", digits) or not int(digits) <= _MOST_TOKENS:
        raise ValueError(f"{value!r} is not a number of tokens; write one such as tokens>60000")
    return str(int(digits))


def _effort(value: str) -> str:
    return _one_of(value.lower(), EFFORTS, "effort")


def _protocol(value: str) -> str:
    return _one_of(value.lower(), PROTOCOLS, "protocol")


def _one_of(value: str, words: Sequence[str], what: str) -> str:
    if value not in words:
        raise ValueError(f"{value!r} is no {what}; write one of: {', '.join(words)}")
    return value


def _client(value: str) -> str:
    return _named(value.lower(), "client", "claude-code")


def _key(value: str) -> str:
    return _named(value, "key", "laptop")


def _named(value: str, what: str, example: str) -> str:
    if not value or not value.isprintable():
        raise ValueError(f"say which {what}, such as {what}={example}")
    return value


def _header(value: str) -> str:
    name, sign, wanted = value.partition("=")
    name, wanted = name.strip().lower(), wanted.strip()
    if not sign or not _header_name(name) or not wanted or not wanted.isascii() or not wanted.isprintable():
        raise ValueError("say which header and value, such as header:x-team=blue")
    if name in _SECRET:
        raise ValueError(f"{name} holds a key, which must not stand in a rule; use key=NAME")
    return f"{name}={wanted}"


def _hours(value: str) -> str:
    span, at, zone = value.partition("@")
    begin, sign, end = (one.strip() for one in span.partition("-"))
    found = [_clock(one) for one in (begin, end)]
    times = [None if one is None else int(one[1]) * 60 + int(one[2] or 0) for one in found]
    if not sign or None in times or max(filter(None, times), default=0) > _DAY or (at and not zone.strip()):
        raise ValueError(f"{value!r} is no span of hours; write one such as hours=22-7, or hours=8:30-18@UTC")
    starts, ends = (minutes % _DAY for minutes in times if minutes is not None)
    if starts == ends:
        raise ValueError(f"hours={value} is no time at all, or all day; leave it out, or say another end")
    if zone:
        _zone(zone.strip())
    return f"{_told(starts)}-{_told(ends)}" + (f"@{zone.strip()}" if zone else "")


def _told(minutes: int) -> str:
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}" if minute else str(hour)


_READERS: dict[tuple[str, str], Callable[[str], str]] = {
    ("tokens", ">"): _tokens,
    ("effort", "="): _effort,
    ("client", "="): _client,
    ("key", "="): _key,
    ("protocol", "="): _protocol,
    ("header", ":"): _header,
    ("hours", "="): _hours,
}


def _zone(name: str) -> ZoneInfo:
    """Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Berlin") from None


@lru_cache(maxsize=256)
def _span(value: str) -> tuple[int, int, ZoneInfo | None]:
    """(first minute of the day, the one behind the last, whose clock; None: this computer's)."""
    span, _, zone = value.partition("@")
    times = [[int(one) for one in clock.split(":")] for clock in span.split("-")]
    starts, ends = (60 * time[0] + (time[1] if len(time) > 1 else 0) for time in times)
    return starts, ends, _zone(zone) if zone else None


def _within(value: str, at: float) -> bool | None:
    try:
        starts, ends, zone = _span(value)
    except ValueError:
        return None  # its time zone is no longer on this computer
    clock = datetime.fromtimestamp(at, zone)
    minute = clock.hour * 60 + clock.minute
    return starts <= minute < ends if starts < ends else minute >= starts or minute < ends


# -- several together


def normal(texts: Iterable[str]) -> tuple[str, ...]:
    """A rule's conditions as they are stored: each once, in one form and order. Raises ValueError, also for those that never
    hold together."""
    found = [parse(text) for text in texts]
    if len(found) > MOST_CONDITIONS:
        raise ValueError(f"a rule has at most {MOST_CONDITIONS} conditions")
    kept = [
        one
        for one in dict.fromkeys(found)
        if not any(other != one and implies(other, one) for other in found)
    ]
    for at, one in enumerate(kept):
        for other in kept[at + 1 :]:
            if _excludes(one, other):
                raise ValueError(f"{one.text} and {other.text} never hold together; leave one out")
    return tuple(sorted(one.text for one in kept))


def implies(one: Condition, other: Condition) -> bool:
    """Does the other hold wherever this one does?"""
    if one == other:
        return True
    if one.kind == other.kind == "tokens":
        return int(one.value) >= int(other.value)
    if one.kind == other.kind == "hours":
        return _covers(one.value, other.value)
    return False


def known(text: str) -> Condition | None:
    """None of one that was stored and cannot be read any more: by hand, or its time zone is gone. It never holds."""
    try:
        return parse(text)
    except ValueError:
        return None


def all_implied(general: Iterable[str], special: Iterable[str]) -> bool:
    """Do all the general ones hold wherever all the special ones do? Then a rule with the general ones takes all that the
    other would."""
    there = [one for text in special if (one := known(text)) is not None]
    wanted = [known(text) for text in general]
    return all(one is not None and any(implies(other, one) for other in there) for one in wanted)


def _excludes(one: Condition, other: Condition) -> bool:
    if one.kind != other.kind:
        return False
    if one.kind == "header":
        return one.value.partition("=")[0] == other.value.partition("=")[0]
    if one.kind == "hours":
        mine, theirs = _minutes(one.value), _minutes(other.value)
        same = one.value.partition("@")[2] == other.value.partition("@")[2]
        return same and mine is not None and theirs is not None and not mine & theirs
    return one.kind in ("effort", "key", "protocol")


def _covers(inner: str, outer: str) -> bool:
    mine, theirs = _minutes(inner), _minutes(outer)
    same = inner.partition("@")[2] == outer.partition("@")[2]
    return same and mine is not None and theirs is not None and mine <= theirs


def _minutes(value: str) -> frozenset[int] | None:
    try:
        starts, ends, _ = _span(value)
    except ValueError:
        return None
    return frozenset(range(starts, ends) if starts < ends else (*range(starts, _DAY), *range(ends)))


# -- of one request


class Checked(NamedTuple):
    """One condition of a rule, and whether it holds; None: that cannot be told."""

    text: str
    held: bool | None


def check(texts: Iterable[str], sight: Sight) -> list[Checked]:
    """Each of a rule's."""
    asked = [(text, known(text)) for text in texts]
    return [Checked(text, None if one is None else one.holds(sight)) for text, one in asked]


def taken(checked: Iterable[Checked], *, wall: bool) -> bool:
    """Does the rule take the request? All must hold. Of what cannot be told a wall (`local_only`) is kept: what should stay
    here must not leave because nobody could read it."""
    held = [one.held for one in checked]
    return False not in held and (wall or None not in held)


def of_body(texts: Iterable[str]) -> bool:
    """Must the body be read for any of them?"""
    return any(one is not None and one.of_body for one in map(known, texts))
