"""What may be asked of usage records, wherever they lie: in a SQLite file (usage_file.py) or in a PostgreSQL that several
gateways share (postgres_usage.py).

Records come again until they are acknowledged, and an id that is there already is not counted twice. Not here: prices.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol as TypingProtocol

import msgspec
from pydantic import BaseModel

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.blocks import UsageBlock
from ...ledger.periods import UTC_NAME
from ...ledger.records import UsageRecord
from .usage_chart import Chart
from .usage_glance import Glance
from .usage_groups import By, Group, LeftTotals
from .usage_query import Totals, UsageFilter
from .usage_sums import Span

MAX_LIMIT = 1000
LOOK_SECONDS = 0.1
"""That one page looks for rows that nothing but their own values tells."""
LAST_ID = "\U0010ffff"
"""After every id."""
COLUMNS = tuple(name for name in UsageRecord.__struct_fields__ if name != "answer_id")
"""Of a record that is kept; the answer's id stands in a table of its own."""
ANSWERS_SECONDS = 30 * 24 * 3600.0
"""How long an answer's id is kept: as long as OpenAI keeps the response [OpenAI docs, Your data]."""
MOST_ANSWERS = 200_000
"""About 40 MB with their index."""


class Deleted(BaseModel):
    """What was taken out for good. bytes: of the file, or of the tables, before and after."""

    records: int
    bytes_before: int
    bytes_after: int


class UsageStore(TypingProtocol):
    """Raises PointsmanError UNAVAILABLE while it cannot be used, and works again after. What was given in a failed call is
    not stored at all, so it can come again. step: seconds; what is too old is taken out in whole ones of them, which costs
    least."""

    step: float

    def add(self, given: UsageBlock, *, again: bool = True) -> int:
        """How many records were new. again: some may have come before, so that their ids are looked for."""

    def copy_to(self, target: Path) -> None:
        """Into a new SQLite file, as it is between two batches."""

    def put_in(self, source: Path) -> None:
        """All records as the SQLite file `source` has them, in place of what is there."""

    def tend(self) -> None:
        """Once a second: its own work. Costs nothing when there is nothing to do; raises nothing that passes by itself."""

    def answer(self, key_id: int | None, name: str) -> tuple[str, str] | None:
        """(target, model that was asked for) of the answer of that id, given to that key; None where none is known, and
        where its backend gave the same id to another key."""

    def page(
        self, filters: UsageFilter | None = None, cursor: str | None = None, limit: int = 100
    ) -> tuple[list[UsageRecord], str | None]:
        """Newest first, and the next page's cursor (None at the end). New rows do not shift pages. By what each row has of
        its own is looked for a moment long: then there is a cursor after fewer rows than were wanted, or none."""

    def troubles(self, limit: int) -> list[UsageRecord]:
        """The newest requests that failed, were rescued or whose client left."""

    def totals(self, filters: UsageFilter | None = None) -> Totals:
        """Sums of all that passes."""

    def by(
        self, what: By, filters: UsageFilter | None = None, zone: str = UTC_NAME, most: int | None = None
    ) -> list[Group]:
        """Sums over the filtered requests, a row a group; see groups(). Raises ValueError for an unknown zone."""

    def left_machine(self, filters: UsageFilter, zone: str = UTC_NAME) -> list[LeftTotals]:
        """What went where; see usage_groups.left_machine(). Raises ValueError for an unknown zone."""

    def chart(
        self, by: By, spans: Sequence[Span], most: int, filters: UsageFilter, zone: str = UTC_NAME
    ) -> Chart:
        """See chart_of(). zone: whose days the spans are, so that those are kept ready. Raises ValueError for an unknown
        one."""

    def glance(self, since: float) -> Glance:
        """What became of the requests of the last hour; how long first outputs took since these unix seconds."""

    def spent(
        self, key_ids: Sequence[int] = (), *, backend: str | None = None, since: float | None = None
    ) -> tuple[int, int]:
        """(tokens, nano-dollars) of these client keys together, or of that backend, from those unix seconds on, exact to
        the record; what has no known cost counts as none."""

    def spent_by_key(self, since: float | None) -> dict[int, tuple[int, int]]:
        """spent() of every client key that has any, read at once."""

    def last_used(self, key_ids: Iterable[int]) -> dict[int, float]:
        """When these client keys were used last, unix seconds; a key that was never used, or whose records are deleted,
        has none."""

    def delete_before(self, before: float) -> Deleted:
        """Takes out all records that are older than those unix seconds, for good."""

    def integrity(self) -> list[str]:
        """What its own check finds; empty when all is well."""

    def close(self) -> None:
        """Nothing is asked of it after."""


def cursor_of(at: float, record_id: str) -> str:
    """Of the page that begins after that record."""
    text = json.dumps([at, record_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_cursor(cursor: str) -> tuple[float, str]:
    """(time, id). Raises PointsmanError INVALID for what is none of ours."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        at, record_id = msgspec.json.decode(text, type=tuple[float, str])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise PointsmanError(
            ErrorKind.INVALID, "The cursor is not one this list gave; begin without it.", param="cursor"
        ) from None
    return at, record_id
