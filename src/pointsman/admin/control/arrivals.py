"""Has a program's first request arrived, and what to do where it failed: a look at the newest of the usage log.

Not here: which programs there are (programs/), and the log (store/usage.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel

from ...ledger.records import UsageRecord
from ...programs.program import Program
from ..store.usage import MAX_LIMIT, UsageStore
from ..store.usage_query import UsageFilter


class Arrival(BaseModel):
    """state: `waiting` while nothing came; `failed` where the newest that came failed; `arrived` with the first that was
    answered. why: what was wrong with a failed one, and what to do. request: its id."""

    state: Literal["waiting", "failed", "arrived"] = "waiting"
    at: datetime | None = None
    client: str = ""
    model: str = ""
    target: str | None = None
    status: int | None = None
    first_output_ms: float | None = None
    total_ms: float | None = None
    request: str | None = None
    why: str | None = None


def arrival_of(usage: UsageStore, program: Program, since: datetime, key_id: int | None = None) -> Arrival:
    """The first answered request of a program since then, else its newest. key_id: only those with this key, and those
    that were refused without a good one. What this gateway's own
    pages ask is of no program. Only the newest 1,000 are looked at."""
    rows, _ = usage.page(UsageFilter(since=since), None, MAX_LIMIT)
    found = [row for row in rows if _is_of(row, program, key_id)]
    if not found:
        return Arrival()
    answered = [row for row in found if row.outcome == "ok" and row.status < 400]
    row = answered[-1] if answered else found[0]
    return Arrival(
        state="arrived" if answered else "failed",
        at=datetime.fromtimestamp(row.at, UTC),
        client=row.client,
        model=row.model,
        target=row.target,
        status=row.status,
        first_output_ms=_rounded(row.first_output_ms),
        total_ms=_rounded(row.total_ms),
        request=row.request or row.id,
        why=None if answered else _why(row),
    )


PLAYGROUND = "playground"
"""What usage calls the requests of the playground (web/pages/playground.py)."""
BACKEND_TEST = "pointsman test"
"""The same of the one token of a backend's test (token_usage.py)."""
_OURS = frozenset({PLAYGROUND, BACKEND_TEST})


def _is_of(row: UsageRecord, program: Program, key_id: int | None) -> bool:
    if row.client in _OURS or row.id != (row.request or row.id):
        return False  # or an attempt that does not stand for its request
    return (key_id is None or row.key_id in (key_id, None)) and program.is_client(row.client)


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 2)


def _why(row: UsageRecord) -> str:
    if row.outcome == "interrupted":
        return "its answer broke off in the middle: the backend failed. Open the request to see which."
    if row.status == 499:
        return "it left before its answer came. Ask again, and wait."
    if row.status == 404:
        return f"nothing here answers to the model name {row.model}. Choose one that there is, or add a rule for it."
    told = _WHY.get(row.status)
    if told is not None:
        return told
    if row.status >= 500:
        return f"no backend answered ({row.status}). Open the request to see what each of them said."
    return f"it was refused with {row.status}. Open the request to see why."


_WHY = {
    401: "its client key is missing or wrong. Put the key in as it is shown here, then start the program anew.",
    403: "its key may not use this model, or its address is not let in. See the key's scope.",
    413: "it was larger than this gateway takes.",
    429: "a limit refused it. See what is left of its key's budget and rate.",
}
