"""`/api/doctor`: every check there is, with the fix for each finding."""

from __future__ import annotations

from fastapi import APIRouter

from ..control.doctor import Report, examine
from .base import Run, errors

router = APIRouter(prefix="/api/doctor", tags=["status"])


@router.get("", responses=errors())
async def doctor(control: Run) -> Report:
    """Port, file modes, master key, database, SQLite's version, every backend."""
    return await examine(control)
