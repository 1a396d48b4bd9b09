"""`/api/doctor`: every check there is, with the fix for each finding."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from ..control.doctor import examine
from .base import Run, errors

router = APIRouter(prefix="/api/doctor", tags=["status"])


class Check(BaseModel):
    """One check. status: ok, warning or error."""

    name: str
    status: str
    detail: str
    fix: str | None


class Report(BaseModel):
    """ok: no check is an error."""

    ok: bool
    version: str
    checks: list[Check]


@router.get("", responses=errors())
async def doctor(control: Run) -> Report:
    """Port, file modes, master key, database, SQLite's version, every backend."""
    return Report.model_validate(await examine(control))
