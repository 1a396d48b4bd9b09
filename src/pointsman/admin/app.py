"""The control plane's HTTP application: routers, errors and the guard around them. Not here: what is open
(control/control_plane.py)."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.types import ASGIApp

from .. import __version__
from ..config import DEFAULT_HOST
from ..wire.authority import HostRule
from .control import problems
from .control.control_plane import ControlPlane
from .control.document import completed
from .control.guard import Guard
from .control.model_list import ModelNames
from .control.routing_view import RoutingView
from .routers import (
    audit,
    backends,
    backups,
    cache,
    captures,
    config,
    credentials,
    customs,
    discovery,
    doctor,
    engines,
    explain,
    groups,
    hosts,
    keys,
    local,
    mappings,
    models,
    nodes,
    origins,
    prices,
    programs,
    providers,
    recordings,
    requests,
    root,
    secrets,
    set_values,
    shadow,
    sign_in,
    status,
    stored_models,
    usage,
    webhooks,
)
from .routers.base import Problem
from .web.late import LatePages

ROUTERS = (
    mappings.router,
    mappings.order_router,
    credentials.router,
    local.router,
    providers.router,
    discovery.router,
    backends.router,
    models.router,
    engines.router,
    stored_models.router,
    keys.router,
    groups.router,
    origins.router,
    customs.router,
    hosts.router,
    nodes.router,
    webhooks.router,
    captures.router,
    config.router,
    cache.router,
    shadow.router,
    recordings.router,
    audit.router,
    backups.router,
    backups.uploads_router,
    explain.router,
    requests.router,
    usage.router,
    prices.router,
    prices.lists_router,
    prices.reference_router,
    programs.router,
    secrets.router,
    set_values.router,
    status.router,
    doctor.router,
    sign_in.router,
    root.router,
)
"""Of the API; those of the pages: web/site.py."""


def create_api(control: ControlPlane) -> tuple[FastAPI, LatePages]:
    """The application without its guard, and its pages."""
    app = FastAPI(
        title="Pointsman admin API",
        version=__version__,
        description="Rules, keys and backends of a gateway. Errors are problem+json with a stable `code`.",
        openapi_url=None,  # routers/root.py
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would be built from the Host header
        separate_input_output_schemas=False,
    )
    app.state.control = control
    app.state.model_names = ModelNames()
    app.state.routing = RoutingView()  # here, so that the link is up before the protocols are imported
    pages = LatePages(app)
    problems.install(app, app.router.routes, pages.error)
    # as they are: include_router() builds each anew when somebody asks for the first time
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    made = app.openapi
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    app.openapi = lambda: completed(made(), problem)  # type: ignore[method-assign]  # FastAPI's documented way
    return app, pages


def create_app(control: ControlPlane) -> ASGIApp:
    """What the control plane serves, and what a command without a gateway calls in its own process."""
    options = control.options
    bind_host = urlsplit(options.url).hostname or DEFAULT_HOST
    rule = HostRule(bind_host, options.allow_hosts, options.allow_origins + options.environment_origins)
    app, pages = create_api(control)
    return Guard(app, control.token, rule, lambda: control.snapshot.hosts, control.sessions, pages)
