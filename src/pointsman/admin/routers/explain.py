"""`/api/explain`: where a model's requests would go and why, without sending one."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query

from ..control.explain import Explanation, explain
from ..control.explain_budgets import with_budgets
from .base import Routing, Run, errors

router = APIRouter(prefix="/api/explain", tags=["explain"])


@router.get("", responses=errors())
async def show(
    control: Run,
    view: Routing,
    model: Annotated[str, Query(min_length=1, max_length=512, description="As a client would name it.")],
) -> Explanation:
    """The rule, every target in order, and why each is usable or not. May ask local servers what models
    they hold."""
    health = control.board.health(time.monotonic())
    found = await explain(control.snapshot, view, health, model, control.engines.standing)
    return await asyncio.to_thread(with_budgets, control, found) if control.snapshot.limits else found
