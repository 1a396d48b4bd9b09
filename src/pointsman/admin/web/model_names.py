"""The models that can be asked for and the client keys, for boxes where one is chosen.

Not here: the page of models (pages/models.py)."""

from __future__ import annotations

from ...link.messages import ClientKeySpec
from ...routing.specs import PRACTICE_KEY
from ..control.control_plane import ControlPlane
from ..control.model_list import MOST, ModelsAsked, list_models
from .view import View

PRACTICE = PRACTICE_KEY.partition("/")[2]
_WAIT_SECONDS = 0.3
"""For servers that have not been asked lately."""


def live_keys(control: ControlPlane) -> list[ClientKeySpec]:
    """The client keys that are not revoked, without what they have spent, which takes long for hundreds; not our own."""
    return [one for one in control.snapshot.client_keys if one.id]


async def model_windows(view: View) -> dict[str, int | None]:
    """Name -> its window in tokens, None where nobody says; the first 200, and the practice model."""
    state = view.request.app.state
    asked = ModelsAsked(limit=MOST, wait=_WAIT_SECONDS)
    found = await list_models(view.control, state.routing, state.model_names, asked)
    return {one.name: one.window for one in found.models} | {PRACTICE: None}
