"""Two people change one row: the later one is told, and shown what the row is now, in place of writing over it unseen.

A row's `version` goes out with it (an answer's field, a form's hidden one) and comes back with the change.
"""

from __future__ import annotations

from sqlmodel import Session

from ...errors import PointsmanError
from ...kinds import ErrorKind
from . import audit
from .audit_tables import AuditEntry
from .nouns import NOUNS, row_key
from .row import Table, shown_values


class ChangedMeanwhile(PointsmanError):
    """row: as it is now. entry: who changed it and when, None where the audit does not know."""

    def __init__(self, row: Table, entry: AuditEntry | None) -> None:
        by = "by somebody" if entry is None else f"at {entry.at:%H:%M} UTC by the {entry.who}"
        super().__init__(
            ErrorKind.CONFLICT,
            f"Not saved: changed {by} since you read it. Read it again, then change it.",
            status=412,
            details={
                "current": shown_values(row) | {"version": row.version},
                "changed_at": None if entry is None else entry.at.isoformat(),
                "changed_by": None if entry is None else entry.who,
            },
        )
        self.row = row
        self.entry = entry


def expect(session: Session, row: Table, version: str | None) -> None:
    """version: the one that was read; None or empty: whatever it is now. Raises ChangedMeanwhile."""
    if version and row.version != version:
        entry = audit.last_of(session, NOUNS[type(row)].name, row_key(row))
        raise ChangedMeanwhile(row, entry)
