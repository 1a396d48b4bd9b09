"""Web origins that are let in without a restart: list, add, remove. Functions take a Session and raise PointsmanError.
Not here: how one is written (wire/origins.py), and those of options and environment.
"""

from __future__ import annotations

from sqlmodel import Session, col, select

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...wire.origins import ANY
from . import client_keys, rows
from .tables import AllowedOrigin

MOST = 1000


def list_all(session: Session) -> list[AllowedOrigin]:
    return list(session.exec(select(AllowedOrigin).order_by(col(AllowedOrigin.id))))


def refuse_any(session: Session, origin: str, *, keys_needed: bool) -> None:
    """Raises INVALID of `*` where clients need no keys. keys_needed: they do, whatever the database says."""
    if origin == ANY and not (keys_needed or client_keys.required(session)):
        raise PointsmanError(
            ErrorKind.INVALID,
            "* would let every web page use this gateway, and no client key is needed yet; make one first:"
            " pointsman key create.",
            param="origin",
        )


def create(session: Session, origin: str) -> AllowedOrigin:
    """origin: in normal form. Raises CONFLICT where it is stored already."""
    if len(list_all(session)) >= MOST:
        raise PointsmanError(
            ErrorKind.CONFLICT, f"There are {MOST} origins already; remove some, or use a wildcard."
        )
    row = AllowedOrigin(origin=origin)
    rows.add(session, row, f"{origin} is let in already.")
    return row


def get(session: Session, origin_id: int) -> AllowedOrigin:
    row = session.get(AllowedOrigin, origin_id)
    if row is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no origin {origin_id}; list them with: pointsman origin list."
        )
    return row


def delete(session: Session, origin_id: int) -> None:
    session.delete(get(session, origin_id))
    session.flush()
