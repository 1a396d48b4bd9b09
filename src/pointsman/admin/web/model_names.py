"""The names that a model may be asked for by, as far as they are known: for a box where one is chosen. Not here: the page
of models."""

from __future__ import annotations

from ...routing.specs import PRACTICE_KEY
from ..control.control_plane import ControlPlane
from ..control.explain import running_engines
from ..control.routing_view import RoutingView
from .view import View

PRACTICE = PRACTICE_KEY.partition("/")[2]
_MOST = 500


async def model_names(view: View) -> list[str]:
    """Of rules without a wild character, then what local servers list, then the practice model; at most 500, none
    twice."""
    control = view.control
    routing: RoutingView = view.request.app.state.routing
    ruled = [rule.pattern for rule in control.snapshot.mappings if not set("*?") & set(rule.pattern)]
    listed = sorted(name for names in (await _listed(control, routing)).values() for name in names)
    return list(dict.fromkeys([*ruled, *listed, PRACTICE]))[:_MOST]


async def _listed(control: ControlPlane, routing: RoutingView) -> dict[str, frozenset[str]]:
    routing.follow(control.snapshot, running_engines(control.snapshot, control.engines.standing))
    return await routing.listed()
