"""The fields of a client key's or a group's limits in a form: read as the API takes them, and written back as they stand.
Pure. Not here: what is valid (store/schemas.py)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ...config import limit_of, span_of
from ...errors import PointsmanError
from ...kinds import ErrorKind, Per
from ...models import ClientKeyCreate, ClientKeyResponse, KeyGroupResponse
from .view import FormFields

_GROUPED = re.compile(r"[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?")
"""`1,000` is a thousand; `2,50` is refused, for read as 250 it would be a hundred times what somebody meant."""

PERIODS = {
    "": "in all",
    Per.HOUR.value: "an hour",
    Per.DAY.value: "a day",
    Per.WEEK.value: "a week",
    Per.MONTH.value: "a month",
}
GRACE = {"0": "at once", "3600": "after an hour", "86400": "after a day", "604800": "after 7 days"}
"""How long the key that a rotation replaces is good, in seconds: what a person is asked."""


def limits(form: FormFields, zone: str) -> dict[str, Any]:
    """Budget and rates. zone: whose days and months count where the form names none."""
    return budget(form, zone) | {
        "rate_requests": form.number("rate_requests"),
        "rate_tokens": form.number("rate_tokens"),
        "parallel": form.number("parallel"),
        "note": form.text("note"),
    }


def budget(form: FormFields, zone: str | None) -> dict[str, Any]:
    """The columns that a key, a group and a provider have in common."""
    warn = form.number("warn")
    return {
        "budget_money": amount(form, "budget_money"),
        "budget_tokens": form.number("budget_tokens"),
        "per": form.text("per") or None,
        "zone": form.text("zone") or zone,
        "warn": 80 if warn is None else warn,
    }


def key_fields(form: FormFields, zone: str) -> dict[str, Any]:
    """The fields of schemas.ClientKeyCreate."""
    return limits(form, zone) | {
        "name": form.text("name"),
        "owner": form.text("owner"),
        "group": form.text("group") or None,
        "models": _lines(form, "models"),
        "paths": _lines(form, "paths"),
        "local_only": form.has("local_only"),
        "customs": form.text("customs") or None,
        "cache_seconds": span(form.text("cache_seconds"), "cache_seconds"),
        "cache_any_temperature": form.has("cache_any_temperature"),
        "expires_at": _moment(form, "expires", zone),
    }


def written(row: ClientKeyResponse | KeyGroupResponse | None, zone: str) -> dict[str, Any]:
    """What stands in the form's fields: of that row, or of a new one."""
    stands = (row or ClientKeyCreate()).model_dump()
    at, amount = stands.get("expires_at"), stands["budget_money"]
    return stands | {
        "per": stands["per"] or "",
        "zone": stands["zone"] or zone,
        "expires": "" if at is None else at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M"),
        "cache_seconds": "" if (kept := stands.get("cache_seconds")) is None else span_of(kept),
        "budget_money": None if amount is None else f"{amount:.10g}",
    }


def amount(form: FormFields, name: str, what: str = "Budget") -> float | None:
    """Dollars, None where nothing was written. Raises INVALID."""
    text = form.text(name).removeprefix("$")
    if not text:
        return None
    try:
        return float(text.replace(",", "") if _GROUPED.fullmatch(text) else text)
    except ValueError:
        raise PointsmanError(
            ErrorKind.INVALID, f"{what}: write an amount in US dollars, such as 5 or 2.50.", param=name
        ) from None


def span(text: str, name: str) -> int | None:
    """A time, `1h`, in seconds; None where nothing was written. Raises INVALID."""
    if not text.strip():
        return None
    try:
        return round(limit_of("seconds", text))
    except ValueError as error:
        raise PointsmanError(
            ErrorKind.INVALID, f"{text[:40]!r} {error}; write a time such as 1h.", param=name
        ) from None


def _lines(form: FormFields, name: str) -> list[str]:
    return [one for line in form.text(name).splitlines() if (one := line.strip())]


def _moment(form: FormFields, name: str, zone: str) -> datetime | None:
    """As a browser writes `datetime-local`, in that zone."""
    text = form.text(name)
    if not text:
        return None
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise PointsmanError(
            ErrorKind.INVALID, "Good until: write a moment such as 2026-12-01T08:00.", param=name
        ) from None
    return (local.replace(tzinfo=ZoneInfo(zone)) if local.tzinfo is None else local).astimezone(UTC)
