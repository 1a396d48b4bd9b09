"""Host names that clients may use and that are let in without a restart: list, add, remove. Functions take a Session and
raise PointsmanError. Not here: how one is written (wire/authority.py), and those of options and environment.
"""

from __future__ import annotations

from sqlmodel import Session

from ...errors import PointsmanError
from ...kinds import ErrorKind
from . import settings

MOST = 1000


def list_all(session: Session) -> list[str]:
    return (settings.get(session, settings.HOSTS) or "").split()


def create(session: Session, host: str) -> None:
    """host: in normal form. Raises CONFLICT where it is stored already."""
    found = list_all(session)
    if host in found:
        raise PointsmanError(ErrorKind.CONFLICT, f"{host} is let in already.")
    if len(found) >= MOST:
        raise PointsmanError(ErrorKind.CONFLICT, f"There are {MOST} hosts already; remove some.")
    settings.put(session, settings.HOSTS, " ".join([*found, host]))


def delete(session: Session, host: str) -> None:
    """Raises NOT_FOUND."""
    found = list_all(session)
    if host not in found:
        raise PointsmanError(
            ErrorKind.NOT_FOUND,
            f"The host {host[:100]!r} is not stored; list them with: pointsman host list.",
        )
    settings.put(session, settings.HOSTS, " ".join(one for one in found if one != host))
