"""Where a backend's requests and its key would go, or a webhook's events, told before it is saved and while somebody types.
Pure: nobody is asked, and no name is looked up.

The rules are those of every write and every connection (providers/urls.py), the origin is the one that a key is sealed for
(providers/catalog.py). Not here: whether anybody answers there (probing.py).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from ...dialects.registry import DIALECTS
from ...errors import PointsmanError
from ...kinds import BackendType
from ...providers.catalog import CATALOG, origin_of
from ...providers.urls import check_base_url, parse_base_url
from ...routing.specs import BackendSpec
from ...upstream.backend import Backend
from ..store import rows
from ..store.schemas import WebhookCreate
from ..store.shapes import Input
from ..store.values import Switch
from .explain_target import leaves_machine


class Typed(Input):
    """An address as somebody types it; None is the type's own."""

    backend_type: BackendType
    base_url: str | None = Field(None, max_length=4096)
    allow_http: Switch = False


class Destination(BaseModel):
    """origin: the one place to which the key goes, and nowhere else. base_url: as it is stored. url: that is asked in its
    first protocol. leaves_machine: None where only a look-up would tell. problem: why it cannot be used, and what to write;
    the rest is None then."""

    origin: str | None = None
    base_url: str | None = None
    url: str | None = None
    leaves_machine: bool | None = None
    problem: str | None = None


def destination_of(typed: Typed) -> Destination:
    """Of an address, whatever is typed."""
    kind, text = typed.backend_type, (typed.base_url or "").strip() or None
    try:
        origin = origin_of(kind, text)
        url = parse_base_url(text or CATALOG[kind].base_url or "")
        check_base_url(kind, url, typed.allow_http)
    except ValueError as error:
        words = str(error)
        return Destination(problem=f"{words[:1].upper()}{words[1:]}.")
    spec = BackendSpec(key=kind.value, type=kind.value, name="", base_url=url.text)
    backend = Backend(spec)
    first = DIALECTS[CATALOG[kind].dialects[0]].endpoint.path
    return Destination(
        origin=origin,
        base_url=url.text,
        url=backend.url_of(first),
        leaves_machine=leaves_machine(spec, backend),
    )


def destination_of_events(text: str) -> Destination:
    """Of a webhook's URL, whatever is typed."""
    try:
        url = rows.valid(WebhookCreate, {"url": text.strip()}).url
    except PointsmanError as error:
        return Destination(problem=error.public)
    parts = urlsplit(url)
    base = parse_base_url(f"{parts.scheme}://{parts.netloc}").text
    spec = BackendSpec(key="webhook", type=BackendType.LOCAL.value, name="", base_url=base)
    return Destination(
        origin=origin_of(BackendType.LOCAL, base),
        base_url=base,
        url=url,
        leaves_machine=leaves_machine(spec, Backend(spec)),
    )
