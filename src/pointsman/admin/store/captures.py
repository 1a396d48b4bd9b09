"""Captures: of whose requests the bodies are kept for a while. Functions take a Session and raise PointsmanError. Not here:
the bodies (control/captured.py).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...routing.captures import CaptureSpec
from . import client_keys, mappings
from .tables import Capture

if TYPE_CHECKING:
    from .schemas import CaptureCreate

MOST = 50


def list_all(session: Session) -> list[Capture]:
    return list(session.exec(select(Capture).order_by(col(Capture.id))))


def create(session: Session, wish: CaptureCreate) -> Capture:
    """Raises NOT_FOUND where there is no such rule or key."""
    if wish.mapping_id is not None:
        mappings.get(session, wish.mapping_id)
    if wish.key_id is not None:
        client_keys.get(session, wish.key_id)
    if len(list_all(session)) >= MOST:
        raise PointsmanError(ErrorKind.CONFLICT, f"There are {MOST} captures already; stop some.")
    row = Capture(
        mapping_id=wish.mapping_id,
        key_id=wish.key_id,
        most_bytes=wish.most_bytes,
        until=datetime.now(UTC) + timedelta(minutes=wish.minutes),
    )
    session.add(row)
    session.flush()
    return row


def get(session: Session, capture_id: int) -> Capture:
    row = session.get(Capture, capture_id)
    if row is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no capture {capture_id}; list them with: pointsman capture list."
        )
    return row


def delete(session: Session, capture_id: int) -> None:
    session.delete(get(session, capture_id))
    session.flush()


def delete_over(session: Session, now: datetime) -> None:
    """Those whose time is over."""
    for row in list_all(session):
        if row.until <= now:
            session.delete(row)
    session.flush()


def specs(session: Session) -> tuple[CaptureSpec, ...]:
    """As the data plane knows them."""
    return tuple(
        CaptureSpec(row.mapping_id, row.key_id, row.until.timestamp(), row.most_bytes)
        for row in list_all(session)
    )
