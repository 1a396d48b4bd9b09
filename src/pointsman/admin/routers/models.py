"""`/api/models`: every model that can be asked for, across backends, and the list as one client sees it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ..control.model_list import ModelsAsked, ModelsShown, list_models
from .base import Run, errors
from .routing import Names, Routing

router = APIRouter(prefix="/api/models", tags=["models"])


@router.get("", responses=errors(404))
async def show_list(
    control: Run, view: Routing, names: Names, asked: Annotated[ModelsAsked, Query()]
) -> ModelsShown:
    """A page of them. May ask servers what models they have; who does not answer in time is in `silent`."""
    return await list_models(control, view, names, asked)
