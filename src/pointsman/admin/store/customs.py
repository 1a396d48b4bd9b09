"""What is done about credentials in all that leaves this machine, and the user's own patterns of what they look like.
Functions take a Session and raise PointsmanError. Not here: the rules that come with it (pointsman.customs).
"""

from __future__ import annotations

import msgspec
from sqlmodel import Session

from ...customs.own_patterns import MOST
from ...errors import PointsmanError
from ...kinds import Customs, ErrorKind
from . import settings

_patterns = msgspec.json.Decoder(dict[str, str]).decode


def for_all(session: Session) -> Customs | None:
    found = settings.get(session, settings.CUSTOMS)
    return Customs(found) if found else None


def set_for_all(session: Session, mode: Customs | None) -> None:
    settings.put(session, settings.CUSTOMS, "" if mode is None else mode.value)


def patterns(session: Session) -> dict[str, str]:
    """By name, in the order in which they came."""
    found = settings.get(session, settings.CUSTOMS_PATTERNS)
    return _patterns(found) if found else {}


def add(session: Session, name: str, pattern: str) -> None:
    """Both have been checked (schemas.CustomsPattern). Raises CONFLICT."""
    known = patterns(session)
    if name in known:
        raise PointsmanError(ErrorKind.CONFLICT, f"There is a pattern {name} already; remove it first.")
    if len(known) >= MOST:
        raise PointsmanError(ErrorKind.CONFLICT, f"There are {MOST} patterns already; remove some.")
    _keep(session, {**known, name: pattern})


def change(session: Session, name: str, pattern: str) -> None:
    """One that is there."""
    _keep(session, {**patterns(session), name: pattern})


def remove(session: Session, name: str) -> None:
    """Raises NOT_FOUND."""
    known = patterns(session)
    if name not in known:
        text = f"There is no pattern {name[:40]!r}; list them with: pointsman customs list."
        raise PointsmanError(ErrorKind.NOT_FOUND, text)
    _keep(session, {one: pattern for one, pattern in known.items() if one != name})


def _keep(session: Session, found: dict[str, str]) -> None:
    settings.put(session, settings.CUSTOMS_PATTERNS, msgspec.json.encode(found).decode())
