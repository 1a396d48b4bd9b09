"""The order of the stored rules: who is never asked, and moving one before or behind another. Not here: what order is, and
which names a rule gets by it (routing/order.py, routing/reach.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from sqlmodel import Session

from ...errors import PointsmanError
from ...kinds import PRACTICE, ErrorKind
from ...routing.order import RulePlace, moved
from ...routing.reach import Reach, reach
from . import mappings
from .rule_warnings import place_of
from .tables import BackendMapping
from .values import PRIORITY_LIMIT


def reaches(rows: Sequence[BackendMapping]) -> Mapping[int, Reach]:
    """Of each rule that is on."""
    return _reaches(tuple(place_of(row) for row in rows if row.enabled))


@lru_cache(maxsize=4)
def _reaches(places: tuple[RulePlace, ...]) -> Mapping[int, Reach]:
    """Asked for by each page and list, and only another once a rule has changed."""
    return reach(places)


def never_reached(
    row: BackendMapping, found: Mapping[int, Reach], by_id: Mapping[int, BackendMapping]
) -> tuple[str, str] | None:
    """(why no request ever gets to this rule, what to do); None where some can."""
    one = found.get(row.id or 0)
    if one is None or one.name is not None:
        return None
    if not one.takers:
        why = f"No request gets to it: the built-in {PRACTICE} model takes all its names"
        return why, f"pointsman mapping remove {row.id}"
    named = [f"rule {number} ({by_id[number].model_pattern})" for number in one.takers]
    takes = (
        f"{named[0]} takes" if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]} together take"
    )
    return (
        f"No request gets to it: {takes} all its names",
        f"pointsman mapping move {row.id} --before {one.takers[0]}",
    )


def told_when_written(rows: Sequence[BackendMapping], row: BackendMapping) -> list[str]:
    """What a change of this rule means: that no request gets to it, or to others because of it. rows: all rules."""
    if not row.enabled:
        return []
    found, by_id = reaches(rows), {one.id or 0: one for one in rows}
    told = []
    for other in rows:
        never = never_reached(other, found, by_id)
        if never is not None and other is row:
            told.append(f"{never[0][0].lower()}{never[0][1:]}; mend it: {never[1]}")
        elif never is not None and row.id in found[other.id or 0].takers:
            told.append(
                f"rule {other.id} ({other.model_pattern}) gets no request any more; mend it: {never[1]}"
            )
    return told


def move(session: Session, mapping_id: int, beside: int, *, behind: bool) -> list[BackendMapping]:
    """Put a rule directly before another, or directly behind it, by the fewest priorities that do; all others keep their
    order. The rows that have changed, none where it stood there already."""
    for number in (mapping_id, beside):
        mappings.get(session, number)
    rows = mappings.list_all(session)
    by_id = {row.id: row for row in rows}
    try:
        changes = moved([place_of(row) for row in rows], mapping_id, beside, PRIORITY_LIMIT, behind=behind)
    except ValueError as error:
        raise PointsmanError(ErrorKind.CONFLICT, f"{str(error).capitalize()}; delete some first.") from None
    changed = []
    for number, priority in changes.items():
        row = by_id[number]
        row.priority = priority
        changed.append(row)
    session.flush()
    return changed
