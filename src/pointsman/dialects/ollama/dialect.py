"""Ollama's own API as one of the dialects (base.Dialect), on the clients' side only: what of this folder is seen from
outside."""

from __future__ import annotations

from ...kinds import Protocol
from ..base import ClientHalf, Dialect, Seen
from ..endpoint import Endpoint
from ..sameness import Sameness
from ..vendor_errors import OPENAI_STATUSES, upstream_error
from .embed import EMBED, OLDER
from .errors import error_body, stream_error
from .lines import LINES, PING
from .options import NAMES
from .pages import PAGES
from .reply import render_chat, render_generate
from .request_in import load_by_chat, load_by_generate, parse_chat, parse_generate
from .writer import CHAT_MOVES, GENERATE_MOVES, ChatWriter, GenerateWriter

CHAT = ClientHalf(
    parse_request=parse_chat,
    render_reply=render_chat,
    writer=ChatWriter,
    moves=CHAT_MOVES,
    names=NAMES,
    ordered=False,
    cites=False,
    whole_calls=True,
    at_once=load_by_chat,
)
GENERATE = ClientHalf(
    parse_request=parse_generate,
    render_reply=render_generate,
    writer=GenerateWriter,
    moves=GENERATE_MOVES,
    names=NAMES,
    ordered=False,
    cites=False,
    whole_calls=True,
    at_once=load_by_generate,
)
DIALECT = Dialect(
    Protocol.OLLAMA,
    error_body,
    stream_error,
    upstream_error,
    Seen,  # nothing is read in it: no backend is asked so
    Endpoint("/api/chat", "ollama", pages=PAGES, streams=True, tag="latest"),
    statuses=OPENAI_STATUSES,
    ping=PING,
    framing=LINES,
    halves={"/api/chat": CHAT, "/api/generate": GENERATE},
    bridges={"/api/embed": EMBED, "/api/embeddings": OLDER},
    sameness=Sameness(frozenset({"keep_alive"}), options="options"),
)
