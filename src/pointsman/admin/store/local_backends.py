"""Local backends: list, add, change, remove. Functions take a Session and raise PointsmanError."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from ...errors import PointsmanError
from ...kinds import BackendType, ErrorKind
from ...providers.urls import check_base_url, parse_base_url
from ..vault import Secret, Vault
from . import rows, sealing
from .tables import LocalBackend

if TYPE_CHECKING:
    from .schemas import LocalBackendCreate, LocalBackendUpdate


def list_all(session: Session) -> list[LocalBackend]:
    return list(session.exec(select(LocalBackend).order_by(col(LocalBackend.name))))


def names_here(rows: Iterable[LocalBackend], node: str | None) -> dict[str, str]:
    """Every name that is taken, and the address that it has on this machine: "" where that is another node's. node: this
    gateway's name; None of one that is alone."""
    return {row.name: row.base_url if row.node in (None, node) else "" for row in rows}


def get(session: Session, name: str) -> LocalBackend:
    row = session.exec(select(LocalBackend).where(col(LocalBackend.name) == name)).one_or_none()
    if row is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no local backend {name!r}; list them with: pointsman local list."
        )
    return row


def create(session: Session, vault: Vault, data: LocalBackendCreate) -> LocalBackend:
    """Raises CONFLICT when the name is taken. Without a key it needs no vault, so it works degraded too."""
    row = LocalBackend(**data.model_dump(mode="json", exclude={"api_key"}))
    _set_key(session, vault, row, _secret(data.api_key))
    rows.add(session, row, f"There is a local backend {data.name!r} already; choose another name.")
    return row


def update(session: Session, vault: Vault, name: str, data: LocalBackendUpdate) -> LocalBackend:
    """A changed origin needs the key again, or an explicit null to do without."""
    row = get(session, name)
    changes = data.model_dump(exclude_unset=True, mode="json")
    keyed, secret = "api_key" in changes, _secret(changes.pop("api_key", None))
    before = _origin(row.base_url)
    with session.no_autoflush:
        for field, value in changes.items():
            setattr(row, field, value)
        _check_url(row, changes)
        if keyed:
            _set_key(session, vault, row, secret)
        elif row.encrypted_api_key is not None and _origin(row.base_url) != before:
            raise PointsmanError(
                ErrorKind.INVALID,
                "The base URL leads elsewhere now, and the stored key was given for the old one:"
                " give the key again, or null to use none.",
                param="api_key",
            )
    session.flush()
    return row


def delete(session: Session, name: str) -> None:
    session.delete(get(session, name))
    session.flush()


def _origin(base_url: str) -> str | None:
    try:
        return parse_base_url(base_url).origin
    except ValueError:
        return None


def _check_url(row: LocalBackend, changes: dict[str, object]) -> None:
    if "base_url" not in changes and "allow_http" not in changes:
        return
    try:
        check_base_url(BackendType.LOCAL, parse_base_url(row.base_url), row.allow_http)
    except ValueError as error:
        text = str(error)
        raise PointsmanError(ErrorKind.INVALID, f"{text[:1].upper()}{text[1:]}.", param="base_url") from None


def _secret(api_key: str | None) -> Secret | None:
    return None if api_key is None else Secret(api_key)


def _set_key(session: Session, vault: Vault, row: LocalBackend, secret: Secret | None) -> None:
    columns: dict[str, Any] = {"encrypted_api_key": None, "key_fingerprint": None}
    if secret is not None:
        columns = sealing.seal_key(session, vault, sealing.binding_of(row), secret)
    for field, value in columns.items():
        setattr(row, field, value)
