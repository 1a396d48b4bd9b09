"""All that the pages are, in one place: their routes, and what they keep between two requests. Loaded when the first one is
asked for (admin/late.py), and by nobody else while a gateway runs.
"""

from __future__ import annotations

from starlette.datastructures import State

from . import static_files, stream
from .errors import page_error
from .pages import PAGES
from .pages.playground import Plays
from .trials import Trials
from .view import Notices

ROUTERS = (static_files.router, stream.router, *PAGES)

__all__ = ["ROUTERS", "page_error", "prepare"]


def prepare(state: State) -> None:
    """What they keep there."""
    state.notices = Notices()
    state.plays = Plays()
    state.trials = Trials()
