"""What a protocol's endpoint looks like beside requests and answers: paths, request headers, rate-limit headers, the list
of models. Shapes only; each dialect's own is in its dialect.py. Not here: which request goes where (gateway/client)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .recall import ById


@dataclass(frozen=True, slots=True)
class Listed:
    """A model in a list. owner: the key of the backend that serves it. created: unix seconds. context_window: tokens that
    it takes as it is loaded, or at most while it is not; images: does it see pictures; tools: does it call them;
    abilities: all that its server says it can, in Ollama's words; None when nobody has told. remote: the key of the
    provider to which its requests may be sent; "" where none is. generates: False of one that only makes embeddings."""

    name: str
    owner: str
    created: int
    context_window: int | None = None
    images: bool | None = None
    abilities: frozenset[str] | None = None
    remote: str = ""
    tools: bool | None = None
    generates: bool = True


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A model list of a client's own shape. asked_by: the query parameter by which that client is known."""

    asked_by: bytes
    render: Callable[[Sequence[Listed]], bytes]


@dataclass(frozen=True, slots=True)
class ListPage:
    """A path of a protocol's own that lists the models."""

    render: Callable[[Sequence[Listed]], bytes]
    methods: tuple[str, ...] = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One that tells of a model. named(body): which, as the client writes it. Raises PointsmanError 400."""

    named: Callable[[bytes], str]
    render: Callable[[Listed], bytes]
    methods: tuple[str, ...] = ("POST",)


@dataclass(frozen=True, slots=True)
class FixedPage:
    """One that always says the same."""

    body: bytes
    methods: tuple[str, ...] = ("GET", "HEAD")


Page = ListPage | ModelPage | FixedPage


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The headers that tell what is left of a rate limit. names: (what, unit) -> lower-case name, with `what` of limit,
    remaining and reset, and `unit` of requests and tokens. reset: a time of reset in this vendor's form, whichever form
    it came in; None when it cannot be read."""

    names: Mapping[tuple[str, str], bytes]
    reset: Callable[[bytes], bytes | None]


def no_fields(_: Any) -> dict[str, Any]:
    """Of a protocol whose clients read no list of models."""
    return {}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How clients of a protocol reach it, and how they are known.

    path: where its requests are posted, from `/v1` on. methods: of that path. stored: further
    methods by which the vendor gives out there what it has stored for an account; this gateway has
    no such store. family: the vendor's interface it is part of; a path that is no protocol's own
    goes to a backend that speaks any protocol of the family. below: do all paths below that one
    belong to it, too? alive: paths by which its clients ask whether anybody is there. known_by: a
    request header that only its clients send; on paths that protocols share they are answered in
    its wording. varies: request headers that change an answer. private: request headers that speak
    to its own vendor and mean nothing to another; private_prefixes: how the names of such headers
    begin. rate_limits: None when it has none. model_fields, list_fields: what its clients read of a
    model in the list that all protocols share, and of that list beside its `data`. catalogue: where
    they want another. sessions: request headers by which its agents name their session. by_id: None
    where no answer is asked for again. pages: paths of its own that the gateway answers itself. streams: what a request
    that does not say means. tag: its clients add it to names of models, and leave it off. writes: do its
    answers hold text that a model has written?
    """

    path: str
    family: str = ""
    methods: tuple[str, ...] = ("POST",)
    stored: tuple[str, ...] = ()
    below: bool = False
    alive: tuple[str, ...] = ()
    known_by: bytes | None = None
    varies: tuple[bytes, ...] = ()
    private: tuple[bytes, ...] = ()
    private_prefixes: tuple[bytes, ...] = ()
    sessions: tuple[bytes, ...] = ()
    rate_limits: RateLimits | None = None
    model_fields: Callable[[Listed], dict[str, Any]] = field(default=no_fields)
    list_fields: Callable[[Sequence[Listed]], dict[str, Any]] = field(default=no_fields)
    catalogue: Catalogue | None = None
    by_id: ById | None = None
    pages: Mapping[str, Page] = field(default_factory=dict)
    streams: bool = False
    tag: str = ""
    writes: bool = True
