"""Cloud credentials: put (create or replace), list, remove. A key goes in here and out in a snapshot only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from ...errors import PointsmanError
from ...kinds import BackendType, ErrorKind, backend_key
from ..vault import Secret, Vault
from . import rows, sealing
from .tables import CloudCredential, CredentialColumns

if TYPE_CHECKING:
    from .schemas import CloudCredentialCreate, CloudCredentialUpdate


def list_all(session: Session) -> list[CloudCredential]:
    """By type and name; the type's default comes first."""
    order = (col(CloudCredential.backend_type), col(CloudCredential.name))
    return list(session.exec(select(CloudCredential).order_by(*order)))


def find(session: Session, backend_type: BackendType, name: str = "") -> CloudCredential | None:
    query = select(CloudCredential).where(
        col(CloudCredential.backend_type) == backend_type, col(CloudCredential.name) == name
    )
    return session.exec(query).one_or_none()


def get(session: Session, backend_type: BackendType, name: str = "") -> CloudCredential:
    row = find(session, backend_type, name)
    if row is None:
        key = backend_key(backend_type, name)
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no credential {key}; add it with: pointsman credential set {key}."
        )
    return row


def create(session: Session, vault: Vault, data: CloudCredentialCreate) -> CloudCredential:
    """Raises CONFLICT when there is one."""
    columns = _columns(session, vault, data)
    row = CloudCredential(backend_type=data.backend_type, name=data.name, **columns)
    key = sealing.key_of(row)
    rows.add(
        session, row, f"There is a credential {key} already; replace it with: pointsman credential set {key}."
    )
    return row


def put(session: Session, vault: Vault, data: CloudCredentialCreate) -> CloudCredential:
    """Creates or replaces the whole row."""
    row = find(session, data.backend_type, data.name)
    if row is None:
        return create(session, vault, data)
    for field, value in _columns(session, vault, data).items():
        setattr(row, field, value)
    session.flush()
    return row


def update(
    session: Session, backend_type: BackendType, name: str, data: CloudCredentialUpdate
) -> CloudCredential:
    """Changes what is named; the key, and where it goes, stay."""
    row = get(session, backend_type, name)
    changes = data.model_dump(mode="json", exclude_unset=True)
    stands = {field: getattr(row, field) for field in CredentialColumns.model_fields}
    for field, value in rows.settled(stands | changes).items():
        if value != stands[field]:
            setattr(row, field, value)
    session.flush()
    return row


def delete(session: Session, backend_type: BackendType, name: str = "") -> None:
    session.delete(get(session, backend_type, name))
    session.flush()


def _columns(session: Session, vault: Vault, data: CloudCredentialCreate) -> dict[str, Any]:
    """All but what names the row. The key is sealed before anything is written: degraded, nothing is."""
    bound_to = sealing.binding(data.backend_type, data.name, data.base_url)
    sealed = sealing.seal_key(session, vault, bound_to, Secret(data.api_key))
    return rows.settled(data.model_dump(mode="json", include=set(CredentialColumns.model_fields))) | sealed
