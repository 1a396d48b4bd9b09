"""`/api/discovery`: the model servers that run on this computer and that nobody has added."""

from __future__ import annotations

from fastapi import APIRouter

from ..control.looking import FoundBackend, look_around
from .base import Run, errors

router = APIRouter(prefix="/api/discovery", tags=["local"])


@router.get("", responses=errors())
async def show_found(control: Run) -> list[FoundBackend]:
    """Look for them now: loopback only, at their usual ports, two seconds at most. One is kept by `POST /api/local` with
    its `base_url`."""
    return await look_around(control)
