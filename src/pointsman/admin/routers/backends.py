"""`/api/backends`: every backend, local and elsewhere, and how it is. They are added and changed by `/api/local` and
`/api/credentials`."""

from __future__ import annotations

from fastapi import APIRouter

from ..control.backend_states import BackendShown, backend_states
from .base import Run, errors
from .routing import Routing

router = APIRouter(prefix="/api/backends", tags=["status"])


@router.get("", responses=errors())
async def show_list(control: Run, view: Routing) -> list[BackendShown]:
    """All of them with state, since when, why and what to do; their queues; which rules name them."""
    return await backend_states(control, view)
