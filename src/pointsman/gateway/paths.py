"""Which request goes where, by method and path. Pure. Paths with `/v1` twice or not at all are understood
(a wrong base URL is the commonest mistake: ECOSYSTEM.md 2a)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..dialects.base import Dialect
from ..dialects.registry import DIALECTS
from ..kinds import Protocol


@dataclass(frozen=True, slots=True)
class Route:
    """kind: llm | models | model | live | ready | metrics | root | hello | control | nowhere.

    path: as an upstream knows it, from `/v1` on. protocol: the dialect the client speaks; for other `/v1` paths the
    nearest one, with exact False: nothing is known of its answers."""

    kind: str
    path: str
    protocol: Protocol = Protocol.OPENAI_CHAT
    exact: bool = True
    methods: tuple[str, ...] = ("GET", "HEAD")

    @property
    def dialect(self) -> Dialect:
        """How errors are worded on this path."""
        return DIALECTS[self.protocol]


_LLM = {
    "/v1/chat/completions": Protocol.OPENAI_CHAT,
    "/v1/responses": Protocol.OPENAI_RESPONSES,
    "/v1/completions": Protocol.COMPLETIONS,
    "/v1/embeddings": Protocol.EMBEDDINGS,
    "/v1/messages": Protocol.ANTHROPIC_MESSAGES,
}
_BARE = (*(path.removeprefix("/v1") for path in _LLM), "/models")
_OWN = {
    "/livez": Route("live", "/livez"),
    "/readyz": Route("ready", "/readyz"),
    "/metrics": Route("metrics", "/metrics"),
    "/": Route("root", "/"),
    "/api/hello": Route("hello", "/api/hello"),
    "*": Route("hello", "*"),  # OPTIONS * asks about the server as a whole
}
_POST = ("POST",)


@lru_cache(maxsize=4096)
def route(path: str) -> Route:
    """The route of a path (without query)."""
    own = _OWN.get(path)
    if own is not None:
        return own
    while path.startswith("/v1/v1/") or path == "/v1/v1":
        path = path[3:]
    if not path.startswith("/v1/") and any(path == bare or path.startswith(bare + "/") for bare in _BARE):
        path = "/v1" + path
    if path in _LLM:
        return Route("llm", path, _LLM[path], methods=_POST)
    for dialect in DIALECTS.values():  # one that was registered from outside
        if dialect.translation is not None and dialect.translation.path == path:
            return Route("llm", path, dialect.protocol, methods=_POST)
    if path.rstrip("/") == "/v1/models":
        return Route("models", path)
    if path.startswith("/v1/models/"):
        return Route("model", path)
    if path.startswith("/v1/messages/"):
        return Route("llm", path, Protocol.ANTHROPIC_MESSAGES, methods=_POST)
    if path.startswith("/v1/responses/"):
        return Route("llm", path, Protocol.OPENAI_RESPONSES, methods=_POST)
    if path == "/v1" or path.startswith("/v1/"):
        return Route("llm", path, Protocol.OPENAI_CHAT, exact=False, methods=_POST)
    return Route("control", path, methods=())


def names_a_model(path: str) -> bool:
    """Is this one of the paths whose POST body names a model, so that any other method is simply wrong there?"""
    return path in _LLM
