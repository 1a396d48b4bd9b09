"""Chat Completions' half of every translation, in one place."""

from __future__ import annotations

from ..base import Translation
from .reader import ChatReader
from .reply import render_reply
from .request_in import NAMES, parse_request
from .request_out import TAKES, render_request
from .writer import MOVES, ChatWriter

TRANSLATION = Translation(
    parse_request=parse_request,
    render_request=render_request,
    render_reply=render_reply,
    reader=ChatReader,
    writer=ChatWriter,
    moves=MOVES,
    takes=TAKES,
    names=NAMES,
    stashes=True,
)
