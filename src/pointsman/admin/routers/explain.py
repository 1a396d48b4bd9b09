"""`/api/explain`: where a model's requests would go and why, what would become of one request, without sending it, and what
became of the last one."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ...routing.conditions import known
from ..control.control_plane import ControlPlane
from ..control.explain import Explanation, explain
from ..control.explain_budgets import with_budgets
from ..control.last_request import LastRequest, last_request
from ..control.pasted import read, with_more
from ..control.request_explained import RequestExplained, decide
from ..control.routing_view import RoutingView
from ..store.usage_query import UsageFilter
from .base import Run, errors
from .routing import Routing

router = APIRouter(prefix="/api/explain", tags=["explain"])


class PastedRequest(BaseModel):
    """request: a model's name, a request's JSON body as text, or a `curl` command. path: where it is posted, such as
    `/v1/messages`; left out, the command says it, or its members do. model: asked for instead of the one in it. headers,
    key: what conditions of rules may ask for; key: a client key's name, "" of none, null where it is not said."""

    model_config = ConfigDict(extra="forbid")

    request: str
    path: Annotated[str, Field(max_length=2000)] = ""
    model: Annotated[str, Field(max_length=512)] = ""
    headers: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=dict)
    key: Annotated[str, Field(max_length=200)] | None = None


@router.post("", responses=errors())
async def show_request(control: Run, view: Routing, body: PastedRequest) -> RequestExplained:
    """What would become of a whole request: of each target the URL and the protocol, what translation would lose or change,
    what would be refused, and about how many tokens and dollars it is. Sends nothing to a model; keys in it are not read."""
    return await explained(control, view, body)


async def explained(control: ControlPlane, view: RoutingView, asked: PastedRequest) -> RequestExplained:
    """The same, for a page too. Raises PointsmanError INVALID for what cannot be read."""
    health = control.board.health(time.monotonic())
    from ..control.explain_request import (
        Grounds,
        explain_request,
    )  # the translation, which nothing else here needs

    stage = Grounds(control.snapshot, view, health, control.engines.standing, control.recordings.find)
    conditions = [known(text) for rule in control.snapshot.mappings for text in rule.conditions]
    wanted = {one.value.partition("=")[0] for one in conditions if one is not None and one.kind == "header"}
    key = "" if asked.key is None and not control.snapshot.keys_required else asked.key
    pasted = with_more(read(asked.request, asked.path, wanted), asked.model, asked.headers, key)
    found = await explain_request(stage, pasted)
    if control.snapshot.limits:
        found = await asyncio.to_thread(with_budgets, control, found)
    return decide(found)


@router.get("/last", responses=errors(404))
def show_last(
    control: Run,
    model: Annotated[str | None, Query(max_length=512, description="Of those for this model.")] = None,
    session: Annotated[str | None, Query(max_length=512, description="Of this session of an agent.")] = None,
    request: Annotated[
        str | None, Query(max_length=512, description="This one, by its x-request-id.")
    ] = None,
) -> LastRequest:
    """What became of the last request: who was asked, what of its prompt a cache had, and where the prompt began to change
    since its session's last turn."""
    asked = UsageFilter(
        model=[] if model is None else [model],
        session=session,
        request=request,
    )
    return last_request(control.usage, control.snapshot, asked)


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
