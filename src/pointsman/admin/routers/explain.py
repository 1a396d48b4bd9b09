"""`/api/explain`: where a model's requests would go and why, and what would become of one request, without sending it."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ..control.control_plane import ControlPlane
from ..control.explain import Explanation, explain
from ..control.explain_budgets import with_budgets
from ..control.pasted import read
from ..control.request_explained import RequestExplained, decide
from ..control.routing_view import RoutingView
from .base import Routing, Run, errors

router = APIRouter(prefix="/api/explain", tags=["explain"])


class PastedRequest(BaseModel):
    """request: a model's name, a request's JSON body as text, or a `curl` command. path: where it is posted, such as
    `/v1/messages`; left out, the command says it, or its members do."""

    model_config = ConfigDict(extra="forbid")

    request: str
    path: Annotated[str, Field(max_length=2000)] = ""


@router.post("", responses=errors())
async def show_request(control: Run, view: Routing, body: PastedRequest) -> RequestExplained:
    """What would become of a whole request: of each target the URL and the protocol, what translation would lose or change,
    what would be refused, and about how many tokens and dollars it is. Sends nothing to a model; keys in it are not read."""
    return await explained(control, view, body.request, body.path)


async def explained(control: ControlPlane, view: RoutingView, text: str, path: str = "") -> RequestExplained:
    """The same, for a page too. Raises PointsmanError INVALID for what cannot be read."""
    health = control.board.health(time.monotonic())
    from ..control.explain_request import (
        Grounds,
        explain_request,
    )  # the translation, which nothing else here needs

    stage = Grounds(control.snapshot, view, health, control.engines.standing)
    found = await explain_request(stage, read(text, path))
    if control.snapshot.limits:
        found = await asyncio.to_thread(with_budgets, control, found)
    return decide(found)


@router.get("", responses=errors())
async def show(
    control: Run,
    view: Routing,
    model: Annotated[str, Query(min_length=1, max_length=512, description="As a client would name it.")],
) -> Explanation:
    """The rule, every target in order, and why each is usable or not. May ask local servers what models
    they hold."""
    health = control.board.health(time.monotonic())
    found, _ = await explain(control.snapshot, view, health, model, control.engines.standing)
    return await asyncio.to_thread(with_budgets, control, found) if control.snapshot.limits else found
