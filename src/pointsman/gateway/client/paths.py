"""Which request goes where, by method and path. Pure. Paths with `/v1` twice or not at all are understood
(a wrong base URL is the commonest mistake: ECOSYSTEM.md 2a)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ...dialects.base import Dialect
from ...dialects.registry import DIALECTS
from ...kinds import Protocol


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


_UNTRANSLATED = {"/v1/completions": Protocol.COMPLETIONS, "/v1/embeddings": Protocol.EMBEDDINGS}
"""Where requests of the protocols that only pass through are posted; the others say it themselves."""
_OWN = {
    "/livez": Route("live", "/livez"),
    "/readyz": Route("ready", "/readyz"),
    "/metrics": Route("metrics", "/metrics"),
    "/": Route("root", "/"),
    "/api/hello": Route("hello", "/api/hello"),
    "*": Route("hello", "*"),  # OPTIONS * asks about the server as a whole
}
_POST = ("POST",)


def _posted() -> dict[str, Protocol]:
    """Path -> the protocol whose requests are posted there, those registered from outside included."""
    translated = {d.translation.path: d.protocol for d in DIALECTS.values() if d.translation is not None}
    return translated | _UNTRANSLATED


@lru_cache(maxsize=4096)
def route(path: str) -> Route:
    """The route of a path (without query)."""
    own = _OWN.get(path)
    if own is not None:
        return own
    while path.startswith("/v1/v1/") or path == "/v1/v1":
        path = path[3:]
    posted = _posted()
    if not path.startswith("/v1/"):
        full = "/v1" + path
        if any(full == known or full.startswith(known + "/") for known in (*posted, "/v1/models")):
            path = full
    if path in posted:
        return Route("llm", path, posted[path], methods=_POST)
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
    return path in _posted()
