"""A look at this computer's model servers for somebody who asks: which there are, their models, how they stand.

Not here: the rounds of a gateway that serves (gateway/__main__.py), and what they become (found.py).
"""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from ...config import local_host
from ...engines.engine import EngineModel, EngineState
from ...link.messages import FoundServer
from ...upstream.discovery import Server, addresses, look
from ...upstream.egress import Egress
from ..store import local_backends
from .control_plane import ControlPlane
from .found import Named, keeper, named

_CONNECT_SECONDS = 1.0


class FoundModel(BaseModel):
    """One of its models. window: tokens that it is loaded with, else that it was made for; None where nobody says.
    loaded: None where nobody says. elsewhere: the machine to which the server passes its requests on, None = none is known.
    images, tools: does it see pictures, does it call tools? None where nobody says."""

    name: str
    window: int | None = None
    loaded: bool | None = None
    elsewhere: str | None = None
    images: bool | None = None
    tools: bool | None = None


class FoundBackend(BaseModel):
    """A model server that runs on this computer. name: by which `local adopt` keeps it, and rules may name it. stored: it
    is a backend already, under that name. used: by names that no rule matches; reason: why it is not."""

    name: str
    engine: str
    title: str
    base_url: str
    state: EngineState
    protocols: list[str]
    models: list[FoundModel]
    stored: bool = False
    used: bool = True
    reason: str | None = None


async def look_around(control: ControlPlane) -> list[FoundBackend]:
    """Every model server on this computer, those that are stored too."""
    egress = Egress(_CONNECT_SECONDS, local_host=local_host())
    where = addresses(control.environ, control.options.discover_ports, local_host())
    servers = await look(where, egress)
    stored = await asyncio.to_thread(_stored, control)
    told = {server.address.url: server for server in servers}
    near = [FoundServer(*one.told) for one in servers]
    kept = [Named(name, one) for one in near if (name := keeper(one, stored)) is not None]
    return [
        _shown(one, told[one.server.base_url], control, stored=one in kept)
        for one in (*kept, *named(near, stored, control.engines.addresses()))
    ]


def _stored(control: ControlPlane) -> dict[str, str]:
    with control.read() as session:
        rows = local_backends.list_all(session)
        return local_backends.names_here(rows, None if control.nodes is None else control.nodes.name)


def _shown(one: Named, server: Server, control: ControlPlane, *, stored: bool) -> FoundBackend:
    reason = None if stored else one.server.problem
    if reason is None and not stored and not control.options.discover:
        reason = "this gateway was started with --no-discover"
    return FoundBackend(
        name=one.name,
        engine=server.engine.name,
        title=server.engine.title,
        base_url=server.address.url,
        state=server.engine.state(server.answers),
        protocols=sorted(server.engine.dialects(server.engine.version(server.answers))),
        models=[_model(model) for model in server.engine.models(server.answers)],
        stored=stored,
        used=reason is None,
        reason=reason,
    )


def _model(model: EngineModel) -> FoundModel:
    return FoundModel(
        name=model.name,
        window=model.at_most,
        loaded=model.loaded,
        elsewhere=model.elsewhere,
        images=model.images,
        tools=model.tools,
    )
