"""A request made to fit its target, by what the Profile says the target takes. The ONE place where
a value changes: renderers write what they are given.

Pure and deterministic: the same request for the same target gives the same result. Each `fit_`
module beside this one changes what it is named after. The way back, for the answer, is
adaptation.py. Not here: how anything is written in a protocol; which fields a protocol has no place
for at all (losses.py).
"""

from __future__ import annotations

import msgspec

from ..conversation.notes import Notes
from ..conversation.profile import Profile
from ..conversation.request import Request
from ..jsonschema.rewrite import Room
from .adaptation import Adaptation
from .fit_cache import fit_cache
from .fit_format import fit_format
from .fit_history import fit_history
from .fit_thinking import fit_thinking
from .fit_tools import fit_tools
from .fit_values import fit_stops, fit_values

_NONE = Adaptation()
"""Of texts, which no stage changes: nobody writes into it."""


def adapt(request: Request, profile: Profile, notes: Notes) -> tuple[Request, Adaptation]:
    """The request for this target, and how to read its answer. Raises PointsmanError 400 for
    what it cannot take."""
    adaptation = Adaptation() if not request.texts else _NONE
    made = msgspec.structs.replace(request, model=profile.model or request.model)
    fit_values(made, profile, notes)
    if not made.plain:
        room = Room()
        fit_stops(made, profile, notes, adaptation)
        fit_format(made, profile, notes, room)  # before the tools, which get what schemas it leaves room for
        fit_tools(made, profile, notes, adaptation, room)
    if not made.texts:
        fit_history(made, profile, notes, adaptation)
    fit_thinking(made, profile, notes)  # knows by now whether a tool is forced, and what history is left
    if not (made.texts and made.plain):
        fit_cache(made, profile, notes)
    return made, adaptation
