"""What the page Requests is asked for: its address, the filters that follow from it, and what of them can be taken off
again. Pure.

Not here: what passes (store/usage_query.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlencode

from pydantic import Field

from ...link.messages import RunningFact
from ..store.usage_query import RowFilter
from .asked_target import backend_of, is_local
from .links import REQUESTS
from .words import ms

LASTS = {
    "1h": ("Last hour", 1),
    "24h": ("Last 24 hours", 24),
    "7d": ("Last 7 days", 168),
    "30d": ("Last 30 days", 720),
}
"""What the menu of times has beside any time: words and hours."""
SEGMENTS = (("", "All"), ("failed", "Failed"), ("rescued", "Rescued"), ("away", "Left this machine"))
MOST_OPEN = 5
_UNITS = {"ms": 1.0, "s": 1000.0, "min": 60_000.0}
_SLOWER = re.compile(r"(?:\bslower than|>)\s*(\d{1,6}(?:\.\d{1,3})?)\s*(ms|min|s)?(?!\w)", re.IGNORECASE)
_NAMES = {
    "model": "model", "target": "target", "backend": "backend",
    "protocol": "protocol", "outcome": "outcome", "status": "status", "key_id": "key",
    "mapping_id": "rule", "client": "program", "session": "session", "request": "request",
}  # fmt: skip
_EMPTY: tuple[object, ...] = (None, [], False, "")


class FilterChip(NamedTuple):
    """text: `key: laptop, notes`. without: the address without it."""

    text: str
    without: str


class RequestQuery(RowFilter):
    """The page's address. state, where: a segment, and only what stayed here. last: of LASTS. open: rows that are open.
    live: `off` where new rows are not asked for."""

    state: Literal["", "failed", "rescued", "away"] = ""
    where: Literal["", "local"] = ""
    last: Literal["", "1h", "24h", "7d", "30d"] = ""
    open: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=MOST_OPEN)] = []  # noqa: RUF012 - pydantic copies it
    live: Literal["", "off"] = ""
    cursor: Annotated[str | None, Field(max_length=512)] = None

    @property
    def words(self) -> tuple[str, float | None]:
        """What was written into the box: its words, and of `slower than 2 s` the milliseconds."""
        text = self.text or ""
        found = _SLOWER.search(text)
        if found is None:
            return text.strip(), None
        slower = float(found[1]) * _UNITS[(found[2] or "ms").lower()]
        return " ".join((text[: found.start()] + " " + text[found.end() :]).split()), slower

    def rows(self, now: datetime) -> RowFilter:
        """What passes: one row a request."""
        text, slower = self.words
        given = [one for one in (slower, self.slower_ms) if one is not None]
        given_times = [one for one in (self.since, self._since(now)) if one is not None]
        return self.model_copy(
            update={
                "text": text or None,
                "slower_ms": max(given) if given else None,
                "since": max(given_times) if given_times else None,
                "failed": self.failed or self.state == "failed",
                "rescued": self.rescued or self.state == "rescued",
                "left_machine": self.left_machine or self.state == "away",
                "local": self.local or self.where == "local",
                "whole": self.request is None,
            }
        )

    def _since(self, now: datetime) -> datetime | None:
        return now - timedelta(hours=LASTS[self.last][1]) if self.last else None

    def pairs(self, **changed: Any) -> list[tuple[str, str]]:
        """As the address has it; changed: fields that are other ones there."""
        values = {name: getattr(self, name) for name in type(self).model_fields} | changed
        found: list[tuple[str, str]] = []
        for name, value in values.items():
            if value in _EMPTY:
                continue
            found += [(name, _shown(one)) for one in (value if isinstance(value, list) else [value])]
        return found

    def to(self, path: str = REQUESTS, /, **changed: Any) -> str:
        """An address of the same page, or with these filters. Another one begins at the newest, with nothing open."""
        pairs = self.pairs(**{"cursor": None, "open": [], **changed})
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def chips(self, keys: Mapping[int, str], rules: Mapping[int, str]) -> list[FilterChip]:
        """What is filtered by, beside the box, the segment and the menu. keys, rules: their names."""
        found = []
        for name, word in _NAMES.items():
            values = getattr(self, name)
            if values in _EMPTY:
                continue
            known = keys if name == "key_id" else rules if name == "mapping_id" else {}
            said = ", ".join(
                str(known.get(one, one)) for one in (values if isinstance(values, list) else [values])
            )
            found.append(FilterChip(f"{word}: {said}", self.to(**{name: None})))
        for name, text in (
            ("slower_ms", f"slower than {ms(self.slower_ms)}"), ("where", "stayed on this machine"),
            ("local", "stayed on this machine"), ("left_machine", "left this machine"), ("failed", "failed"),
            ("rescued", "rescued"), ("cached", "out of the cache"),
            ("since", f"since {_minute(self.since)}"), ("until", f"until {_minute(self.until)}"),
        ):  # fmt: skip
            if getattr(self, name) not in _EMPTY:
                found.append(FilterChip(text, self.to(**{name: None})))
        return found

    @property
    def narrowed(self) -> bool:
        """Whether anything is filtered by."""
        return bool(self.pairs(cursor=None, open=[], live=""))

    def lets_run(self, one: RunningFact, keys: Mapping[int, str]) -> bool:
        """Whether a request that runs passes: what is not known of it yet does not."""
        text, slower = self.words
        away = is_local(one.target) is False
        over = (self.failed, self.rescued, self.cached, self.outcome, self.status)
        if self.state in ("failed", "rescued") or any(over):
            return False
        if (
            slower is not None
            or self.slower_ms is not None
            or self.until is not None
            or self.session not in (None, one.session)
        ):
            return False
        if ((self.state == "away" or self.left_machine) and not away) or (
            (self.where or self.local) and away
        ):
            return False
        if self.backend and backend_of(one.target) not in self.backend:
            return False
        for name in ("model", "target", "protocol", "client", "key_id", "mapping_id"):
            if getattr(self, name) and getattr(one, name) not in getattr(self, name):
                return False
        said = " ".join(
            (
                one.model,
                one.target or "",
                one.client,
                one.protocol,
                one.path,
                keys.get(one.key_id or 0, ""),
                "running",
            )
        ).lower()
        return self.request in (None, one.id) and all(word in said for word in text.lower().split())


def _shown(value: object) -> str:
    if value is True:
        return "true"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _minute(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
