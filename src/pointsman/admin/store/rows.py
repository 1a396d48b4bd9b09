"""Small helpers the noun modules share: validation and constraint errors said as PointsmanError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.periods import own_zone

Shape = TypeVar("Shape", bound=BaseModel)


def valid(shape: type[Shape], values: Mapping[str, Any]) -> Shape:
    """The shape, or PointsmanError INVALID with the first thing to mend."""
    try:
        return shape.model_validate(dict(values))
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> PointsmanError:
    """Never quotes the input: it may hold a key."""
    first = error.errors(include_input=False, include_url=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or None
    text = first["msg"].removeprefix("Value error, ")
    if param and first["type"] != "value_error":
        text = f"{param}: {text}"  # pydantic's own sentences do not say of what
    else:
        text = text[:1].upper() + text[1:]
    return PointsmanError(ErrorKind.INVALID, f"{text}.", param=param)


def settled(values: dict[str, Any]) -> dict[str, Any]:
    """The columns of a row that is written now: a budget by the calendar has a zone, so that moving the gateway to another
    computer moves none of its days."""
    has_budget = values.get("budget_money") is not None or values.get("budget_tokens") is not None
    if has_budget and values.get("zone") is None:
        return values | {"zone": own_zone()}
    return values


def add(session: Session, row: SQLModel, conflict: str) -> None:
    """Insert now; the database's own uniqueness is what decides."""
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise PointsmanError(ErrorKind.CONFLICT, conflict) from error
