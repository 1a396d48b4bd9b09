"""`/api/models`: every model that can be asked for, across backends, and the list as one client sees it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from ..control.model_list import ModelNames, ModelsAsked, ModelsShown, list_models
from .base import Routing, Run, errors

router = APIRouter(prefix="/api/models", tags=["models"])


def _names(request: Request) -> ModelNames:
    names: ModelNames = request.app.state.model_names
    return names


Names = Annotated[ModelNames, Depends(_names)]


@router.get("", responses=errors(404))
async def show_list(
    control: Run, view: Routing, names: Names, asked: Annotated[ModelsAsked, Query()]
) -> ModelsShown:
    """A page of them. May ask servers what models they have; who does not answer in time is in `silent`."""
    return await list_models(control, view, names, asked)
