"""`/api/settings`: what is set and by whom. What can be changed here has a route of its own."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from ..control.told import SetValue, everything, limits
from .base import Run, errors

router = APIRouter(prefix="/api/settings", tags=["settings"])


class SetValues(BaseModel):
    """limits: bounds of a request and of the gateway, each of which a variable sets."""

    settings: list[SetValue]
    limits: list[SetValue]


@router.get("", responses=errors())
def show(control: Run) -> SetValues:
    """Every setting, who has set it, and whether a change needs a restart. No secret's value."""
    return SetValues(settings=everything(control), limits=limits())
