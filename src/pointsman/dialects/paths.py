"""Which request goes where, by method and path. Pure. Paths with `/v1` twice or not at all are understood
(a wrong base URL is the commonest mistake: docs/protocols/clients.md#base-urls). Not here: which
paths a protocol has (its Endpoint)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from ..kinds import Protocol
from .base import ClientHalf, Dialect
from .bridge import Bridge
from .endpoint import Page
from .framing import EVENTS, Framing
from .media import MEDIA, Media
from .registry import DIALECTS, SHARED, derived


@dataclass(frozen=True, slots=True)
class Route:
    """kind: llm | models | model | page | live | ready | metrics | root | hello | control | nowhere.

    path: as an upstream knows it, from `/v1` on. protocol: the dialect the client speaks; for other `/v1` paths the
    nearest one, with exact False: nothing is known of its answers, unless it is one of media.
    answer_id: of an answer that is asked for again; verb: what stands behind it. half, bridge: what translates
    its requests, where something does; page: one of the protocol's own. framing, streams, tag: see Dialect and Endpoint."""

    kind: str
    path: str
    protocol: Protocol = SHARED
    exact: bool = True
    methods: tuple[str, ...] = ("GET", "HEAD")
    media: Media | None = None
    answer_id: str = ""
    verb: str = ""
    half: ClientHalf | None = None
    bridge: Bridge | None = None
    page: Page | None = None
    framing: Framing = EVENTS
    streams: bool = False
    tag: str = ""

    @property
    def generates(self) -> bool:
        """Does it make an answer, which somebody pays for? Counting tokens and reading an answer again do not."""
        translation = self.dialect.translation
        return not self.answer_id and (translation is None or self.path != translation.count_path)

    @property
    def dialect(self) -> Dialect:
        """How errors are worded on this path."""
        return DIALECTS[self.protocol]


_OWN = {
    "/livez": Route("live", "/livez"),
    "/readyz": Route("ready", "/readyz"),
    "/metrics": Route("metrics", "/metrics"),
    "/": Route("root", "/"),
    "*": Route("hello", "*"),  # OPTIONS * asks about the server as a whole
}
_MODELS = "/v1/models"
"""Every protocol's clients read a list there."""


@derived
def _posted() -> dict[str, Dialect]:
    """Path -> the protocol whose requests are posted there, those registered from outside included."""
    return {path: dialect for dialect in DIALECTS.values() for path in _posted_of(dialect)}


def _posted_of(dialect: Dialect) -> tuple[str, ...]:
    return (*dict.fromkeys((dialect.endpoint.path, *dialect.halves, *dialect.bridges)),)


@derived
def _pages() -> dict[str, Route]:
    """The pages of protocols that have some of their own."""
    return {
        path: Route("page", path, one.protocol, methods=page.methods, page=page, tag=one.endpoint.tag)
        for one in DIALECTS.values()
        for path, page in one.endpoint.pages.items()
    }


@derived
def _alive() -> frozenset[str]:
    return frozenset(path for dialect in DIALECTS.values() for path in dialect.endpoint.alive)


@derived
def _counted() -> frozenset[str | None]:
    translations = (dialect.translation for dialect in DIALECTS.values())
    return frozenset(one.count_path for one in translations if one is not None)


@derived
def route(path: str) -> Route:
    """The route of a path (without query)."""
    own = _OWN.get(path)
    if own is not None:
        return own
    if path in _alive():
        return Route("hello", path)
    path = _beside_v1(_from_v1(path))
    if path in _pages():
        return _pages()[path]
    if path.startswith("/v1/"):
        path = path.rstrip("/")  # a base URL and a path, joined with one too many
    if path == _MODELS:
        return Route("models", path)
    if path.startswith(_MODELS + "/"):
        return Route("model", path)
    for known, dialect in _posted().items():
        endpoint = dialect.endpoint
        if path == known or (endpoint.below and path.startswith(known + "/")):
            by_id = _by_id(path, known, dialect)
            if by_id is not None:
                return by_id
            return _posting(path, dialect)
    if path == "/v1" or path.startswith("/v1/"):
        methods = DIALECTS[SHARED].endpoint.methods
        return Route("llm", path, exact=False, methods=methods, media=MEDIA.get(path))
    return Route("control", path, methods=())


def _by_id(path: str, known: str, dialect: Dialect) -> Route | None:
    """Where an answer is asked for again by its id."""
    rows = dialect.endpoint.by_id
    name, _, verb = path[len(known) + 1 :].partition("/")
    if rows is None or not name or name in rows.reserved or verb not in rows.verbs:
        return None
    return Route(
        "llm",
        path,
        dialect.protocol,
        methods=rows.verbs[verb],
        answer_id=unquote(name)[:_ID_LENGTH],
        verb=verb,
    )


_ID_LENGTH = 512


def _posting(path: str, dialect: Dialect) -> Route:
    """Where requests of a protocol are posted."""
    endpoint = dialect.endpoint
    return Route(
        "llm",
        path,
        dialect.protocol,
        methods=endpoint.methods,
        half=dialect.half_at(path),
        bridge=dialect.bridges.get(path),
        framing=dialect.framing,
        streams=endpoint.streams and path in dialect.halves,
        tag=endpoint.tag,
    )


def _beside_v1(path: str) -> str:
    """Less the `/v1` and the slash that a wrong base URL adds, where the path is of a protocol that has none."""
    bare = path.rstrip("/")
    bare = bare[3:] if bare.startswith("/v1/") else bare
    known = bare in _pages() or bare in _posted()
    return bare if known and not bare.startswith("/v1/") else path


def _from_v1(path: str) -> str:
    """With one `/v1` before it, where it is a path that has one."""
    bare = path.rstrip("/")
    while path.startswith("/v1/v1/") or path == "/v1/v1":
        path = path[3:]
    if path.startswith("/v1/"):
        return path
    full = "/v1" + bare
    known = (*_posted(), *MEDIA, _MODELS)
    return full if any(full == one or full.startswith(one + "/") for one in known) else path


_MODELS_FOLDER = re.compile(r"/(?:models|engines|deployments)/")
_VERB = re.compile(r":[A-Za-z]+$")


def models_in_path(path: str) -> list[str]:
    """What may be the model's name in a path beside the protocols' own (`/v1/engines/NAME/completions`,
    `/v1/models/NAME:predict`): its backend may read that one, whatever the body says. What follows a name is at most
    two words."""
    found = _MODELS_FOLDER.split(path, maxsplit=1)
    if len(found) == 1:
        return []
    parts = found[1].split("/")
    named = ["/".join(parts[:end]) for end in range(len(parts), max(0, len(parts) - 3), -1)]
    return [unquote(one) for name in named for one in dict.fromkeys((name, _VERB.sub("", name))) if one]


def names_a_model(path: str) -> bool:
    """Is this one of the paths whose POST body names a model, so that any other method is simply wrong there?"""
    return path in _posted() or path in _counted() or path in MEDIA
