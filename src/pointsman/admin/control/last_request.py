"""What became of the last request, by its usage records: who was asked, what of its prompt a cache had, and where the
prompt began to change. Not here: what would become of one (explain.py), and how it is printed (cli/explain.py).
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel

from ...errors import PointsmanError
from ...kinds import ErrorKind, is_local_backend
from ...ledger.records import UsageRecord
from ...link.messages import Snapshot
from ..store.usage import UsageStore
from ..store.usage_query import UsageFilter
from .reasons import what_it_did

_TURNS = 8
_READ = 100
"""Records that are looked through for them."""


class AttemptTold(BaseModel):
    """told: what came of it, in words that follow the target. local: it did not leave this machine."""

    target: str | None
    local: bool
    told: str
    warnings: list[str]


class TurnTold(BaseModel):
    """A request of a session at one target. cached: the part of its input that a cache had, 0 to 1; null where the server
    reports none. changed_at, changed_in: as in usage records; prompt: the same in words."""

    request: str
    at: datetime
    input_tokens: int | None
    cached_tokens: int | None
    cached: float | None
    changed_at: int | None
    changed_in: str | None
    prompt: str | None


class LastRequest(BaseModel):
    """attempts: in their order. turn: the attempt that answered, or the last; earlier: those before it of its session at the
    same target, the newest first. advice: what to do about a prompt that is read anew; null where nothing is to be done."""

    request: str
    at: datetime
    model: str
    protocol: str
    client: str
    session: str | None
    mapping_id: int | None
    pattern: str | None
    status: int
    outcome: str
    attempts: list[AttemptTold]
    turn: TurnTold
    earlier: list[TurnTold]
    advice: str | None


def last_request(usage: UsageStore, snapshot: Snapshot, filters: UsageFilter) -> LastRequest:
    """Of those that pass the newest. Raises PointsmanError NOT_FOUND where there is none."""
    newest, _ = usage.page(filters, None, 1)
    if not newest:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, "No such request is in the usage records; `pointsman usage` lists them."
        )
    name = newest[0].request or newest[0].id
    rows = sorted(usage.page(UsageFilter(request=name), None, _READ)[0], key=lambda one: one.attempt)
    own = next((row for row in rows if row.id == name), newest[0])
    turn = turn_of(own)
    return LastRequest(
        request=name,
        at=_moment(own),
        model=own.model,
        protocol=own.protocol,
        client=own.client,
        session=own.session,
        mapping_id=own.mapping_id,
        pattern=next((rule.pattern for rule in snapshot.mappings if rule.id == own.mapping_id), None),
        status=own.status,
        outcome=own.outcome,
        attempts=[_attempt(row) for row in rows if row.target is not None],
        turn=turn,
        earlier=[turn_of(row) for row in _before(usage, own)],
        advice=_advice(turn),
    )


def turn_of(record: UsageRecord) -> TurnTold:
    """What is known of its prompt."""
    given, cached = record.input_tokens, record.cached_tokens
    return TurnTold(
        request=record.request or record.id,
        at=_moment(record),
        input_tokens=given,
        cached_tokens=cached,
        cached=None if cached is None or not given else min(1.0, cached / given),
        changed_at=record.changed_at,
        changed_in=record.changed_in,
        prompt=prompt_told(record),
    )


def prompt_told(record: UsageRecord) -> str | None:
    """Where it began to change, as a sentence; None where that is not known."""
    if record.changed_at is None:
        return None
    at = f"{record.changed_at:,}"
    if record.changed_in is None:
        return f"Goes on from the session's last request: its first {at} bytes are the same."
    return f"Changed since the session's last request from byte {at} on, in {record.changed_in}."


def _advice(turn: TurnTold) -> str | None:
    if turn.changed_in is not None:
        return (
            f"A local server reads all behind {turn.changed_in} anew. Where that changes with each turn (a date, an id, the"
            " order of tools), a prompt that keeps it still is answered sooner."
        )
    if turn.changed_at is not None and turn.cached is not None and turn.cached < 0.5:
        return (
            "The prompt only goes on, and yet the server read most of it anew: another conversation may have had its place"
            " meanwhile, or the model was loaded anew. More slots (llama.cpp: `--parallel`, `--slots`) or"
            " `mapping update --stick` help."
        )
    return None


def _before(usage: UsageStore, own: UsageRecord) -> list[UsageRecord]:
    if own.session is None or own.target is None:
        return []
    asked = UsageFilter(session=own.session, target=[own.target])
    rows, _ = usage.page(asked, None, _READ)
    earlier = [row for row in rows if (row.at, row.id) < (own.at, own.id) and row.key_id == own.key_id]
    return earlier[:_TURNS]


def _attempt(row: UsageRecord) -> AttemptTold:
    if row.id == (row.request or row.id):
        told = f"answered with {row.status}" if row.outcome == "ok" else _ended(row)
    elif row.outcome == "aborted":
        told = "was given up: another was faster"
    else:
        told = what_it_did(row.fallback) + (f" ({row.status})" if row.status else "")
    target = row.target or ""
    warnings = [one for one in (row.warnings or "").split(",") if one]
    return AttemptTold(target=target, local=is_local_backend(target), told=told, warnings=warnings)


def _ended(row: UsageRecord) -> str:
    words = {
        "aborted": "was left by its client",
        "cancelled": "was cancelled by the operator",
        "interrupted": "broke off after its client had a part of it",
    }
    return words.get(row.outcome, what_it_did(row.fallback)) + (f" ({row.status})" if row.status else "")


def _moment(record: UsageRecord) -> datetime:
    return datetime.fromtimestamp(record.at, UTC)
