"""Which way a request goes to a backend that speaks its protocol, and what is said where there is none.

Not here: to which protocol it is translated (upstream/candidates.py).
"""

from __future__ import annotations

from ...dialects.paths import Route
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...routing.table import Target
from ...upstream.backend import Backend
from ...upstream.candidates import Needs, crosses, needs_of
from .across import read_neutral
from .making import Attempt


async def must_cross(one: Attempt, backend: Backend) -> bool:
    """Does the backend, which speaks the client's protocol and may_cross(), take this request in another one only?"""
    job, model, route = one.job, one.target.model, one.job.request.route
    client = route.protocol
    if not route.exact or route.path != route.dialect.endpoint.path:
        return False
    body = job.request.body
    if not any(hint in body for hint in _TOOLS):
        return crosses(backend, model, client, Needs())
    try:
        asked = await read_neutral(one.rules, one.plane, job)
    except PointsmanError:
        return False  # the vendor's own error is the better answer
    return crosses(backend, model, client, needs_of(asked.request))


_TOOLS = (b'"tools"', b'"functions"', b'"web_search_options"')
"""One of these stands in every body that declares a tool."""


def not_spoken(target: Target, route: Route) -> PointsmanError:
    """The honest answer where no translation exists: embeddings, completions, and paths beside the main ones."""
    spoken = route.protocol if route.bridge is None else route.bridge.to
    what = f"speak {spoken.value} on this path" if route.media is None else f"offer {route.path}"
    return PointsmanError(
        ErrorKind.NOT_IMPLEMENTED,
        f"{target.key} does not {what}, and this request cannot be translated. "
        "Call it in a protocol it speaks, or map the model to a backend that speaks this one.",
    )
