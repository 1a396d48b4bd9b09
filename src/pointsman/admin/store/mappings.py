"""Rules: list, add, change, remove, warn. Functions take a Session and raise PointsmanError."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlmodel import Session, select

from ...conversation.presets import merged
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...routing.order import rank
from .rows import valid
from .rule_warnings import Backends
from .tables import BackendMapping, MappingColumns

if TYPE_CHECKING:  # shapes of the admin API, which few gateways are asked for
    from .schemas import BackendMappingCreate, BackendMappingResponse, BackendMappingUpdate


def list_all(session: Session) -> list[BackendMapping]:
    """In the order in which they are asked."""
    rows = session.exec(select(BackendMapping))
    return sorted(
        rows, key=lambda row: rank(row.priority, row.model_pattern, row.id or 0, len(row.conditions))
    )


def get(session: Session, mapping_id: int) -> BackendMapping:
    row = session.get(BackendMapping, mapping_id) if abs(mapping_id) < 2**63 else None
    if row is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no mapping {mapping_id}; list them with: pointsman mapping list."
        )
    return row


def create(session: Session, data: BackendMappingCreate) -> BackendMapping:
    """Always adds a row: two rules may have one pattern, and priority or the lower id decides."""
    values = data.model_dump(mode="json")
    values["presets"] = merged({}, values["presets"] or {}) or None
    row = BackendMapping(**values)
    session.add(row)
    session.flush()
    return row


def update(session: Session, mapping_id: int, data: BackendMappingUpdate) -> BackendMapping:
    """What results must be a valid rule as a whole. Presets are changed one by one: a null takes one away, and a null for
    all of them takes all."""
    from .schemas import BackendMappingCreate

    row = get(session, mapping_id)
    changes = data.model_dump(exclude_unset=True)
    stands = {name: getattr(row, name) for name in MappingColumns.model_fields}
    if changes.get("presets") is not None:
        changes["presets"] = merged(stands["presets"] or {}, changes["presets"]) or None
    whole = valid(BackendMappingCreate, stands | changes)
    for field, value in whole.model_dump(mode="json").items():
        setattr(row, field, value)
    session.flush()
    return row


def delete(session: Session, mapping_id: int) -> None:
    session.delete(get(session, mapping_id))
    session.flush()


def response(session: Session, row: BackendMapping) -> BackendMappingResponse:
    """The row as the API answers it, warnings included."""
    return responses(session, [row])[0]


def responses(session: Session, rows: Sequence[BackendMapping]) -> list[BackendMappingResponse]:
    """The same of many."""
    from .schemas import BackendMappingResponse

    backends = Backends(session)
    return [
        BackendMappingResponse.model_validate(row).model_copy(update={"warnings": backends.warnings_of(row)})
        for row in rows
    ]
