"""Chat Completions' half of every translation, in one place."""

from __future__ import annotations

from ...kinds import Protocol
from ..base import Translation
from ..carries import column
from .reader import ChatReader
from .reply import render_reply
from .request_in import NAMES, parse_request
from .request_out import render_request
from .writer import MOVES, ChatWriter

TRANSLATION = Translation(
    parse_request=parse_request,
    render_request=render_request,
    render_reply=render_reply,
    reader=ChatReader,
    writer=ChatWriter,
    moves=MOVES,
    carries=column(Protocol.OPENAI_CHAT),
    names=NAMES,
    keeps_reasoning=True,
)
