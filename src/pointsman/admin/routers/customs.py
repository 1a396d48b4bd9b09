"""`/api/customs`: what is done about credentials in all that leaves this machine, and what is taken for one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from ...customs.inspection import Inspection
from ...customs.rules import KINDS
from ...kinds import Customs
from ..store import customs
from ..store.schemas import CustomsPattern
from .base import Run, errors

router = APIRouter(prefix="/api/customs", tags=["customs"])


class CustomsWish(BaseModel):
    """mode: `warn`, `mask` or `refuse`; null does nothing, but where a rule or a key says so."""

    model_config = ConfigDict(extra="forbid")

    mode: Customs | None


class CustomsState(BaseModel):
    """mode: for all that leaves this machine. patterns: the user's own. kinds: that are found without any."""

    mode: Customs | None
    patterns: list[CustomsPattern]
    kinds: list[str]


class CustomsText(BaseModel):
    """What is to be looked through."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=1_000_000)]


class CustomsFound(BaseModel):
    """Which kind stands where: a line, counted from 1, and a column. What it is stays where it is."""

    kind: str
    line: int
    column: int
    length: int


@router.get("", responses=errors())
def show(control: Run) -> CustomsState:
    """What is set, and what is looked for."""
    with control.read() as session:
        own = [CustomsPattern(name=name, pattern=one) for name, one in customs.patterns(session).items()]
        return CustomsState(mode=customs.for_all(session), patterns=own, kinds=list(KINDS))


@router.patch("", responses=errors())
def change(control: Run, body: CustomsWish) -> CustomsState:
    """Set what is done, from this answer on."""
    with control.change() as session:
        customs.set_for_all(session, body.mode)
    return show(control)


@router.post("/patterns", status_code=201, responses=errors(409))
def add(control: Run, body: CustomsPattern) -> CustomsPattern:
    """Look for this, too."""
    with control.change() as session:
        customs.add(session, body.name, body.pattern)
    return body


@router.delete("/patterns/{name}", status_code=204, responses=errors(404))
def remove(control: Run, name: Annotated[str, Path(max_length=100)]) -> None:
    """Look for it no more."""
    with control.change() as session:
        customs.remove(session, name)


@router.post("/try", responses=errors())
def attempt(control: Run, body: CustomsText) -> list[CustomsFound]:
    """What would be found in a text. It is kept nowhere."""
    with control.read() as session:
        own = customs.patterns(session)
    text = body.text.encode("utf-8", "replace")
    keys = [one.api_key for one in control.snapshot.backends]
    found = []
    for one in Inspection(None, b"", keys, own).find(text):
        before = text[: one.start]
        line_begins = before.rfind(b"\n") + 1
        column = len(text[line_begins : one.start].decode("utf-8", "replace")) + 1
        length = len(text[one.start : one.end].decode("utf-8", "replace"))
        found.append(CustomsFound(kind=one.kind, line=before.count(b"\n") + 1, column=column, length=length))
    return found
