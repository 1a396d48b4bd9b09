"""The control plane's HTTP application: routers, errors and the guard around them. Not here: what is open
(control/control_plane.py)."""

from __future__ import annotations

from typing import Any
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
from .late import LateParts


def create_api(control: ControlPlane) -> tuple[FastAPI, LateParts]:
    """The application without its guard, and what is loaded of it when it is asked for."""
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
    parts = LateParts(app)
    problems.install(app, parts.error)
    made = app.openapi

    def document() -> dict[str, Any]:
        from .routers.base import Problem

        parts.load_all()
        return completed(made(), Problem.model_json_schema(ref_template="#/components/schemas/{model}"))

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way
    return app, parts


def create_app(control: ControlPlane) -> ASGIApp:
    """What the control plane serves, and what a command without a gateway calls in its own process."""
    options = control.options
    bind_host = urlsplit(options.url).hostname or DEFAULT_HOST
    rule = HostRule(bind_host, options.allow_hosts, options.allow_origins + options.environment_origins)
    app, parts = create_api(control)
    return Guard(app, control.token, rule, lambda: control.snapshot.hosts, control.sessions, parts)
