"""What no page of ours sends, in every form and address, walked from the router's own list: it is refused in words, as HTML,
and is never a fault of the gateway's, nor a way to another place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from fastapi.routing import APIRoute

from pointsman.admin import web
from pointsman.admin.web.site import ROUTERS
from tests.e2e.gateway import Gateway

from .strange import alien_tags
from .visitor import Visitor

BAD = (
    "\u00b2",  # a digit to str.isdigit, and no number to int
    "9" * 5000,  # longer than int() reads
    "[\u202e",
    "a\r\nset-cookie: x=1\x00",
    "//evil.example",
    "9999-12-31T23:59",
)
SKIPPED = {"/ui/sign-out", "/ui/settings/sign-out", "/ui/live", "/ui/backends/found"}
"""What ends the visitor's session or its stream, or looks for servers."""
_FIELD = re.compile(r"""name="([a-z_]+)"|form\.(?:text|number|all|has)\("([a-z_]+)\"""")


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """At a gateway of its own: some of it is stored."""
    with Gateway(tmp_path_factory.mktemp("hostile") / "data", expect_clean_log=False) as gateway:
        made = Visitor(gateway.url, gateway.admin_token)
        yield made
        made.close()


def walked(method: str) -> list[APIRoute]:
    return [
        route
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        and route.path.startswith("/ui")
        and method in route.methods
        and route.path not in SKIPPED
        and "/static/" not in route.path
    ]


@cache
def fields() -> list[str]:
    """Every field's name in any of our forms."""
    folder = Path(web.__file__).parent
    texts = [one.read_text("utf-8") for kind in ("*.html", "*.py") for one in folder.rglob(kind)]
    return sorted({name or other for text in texts for name, other in _FIELD.findall(text)})


def filled(path: str, value: str) -> str:
    return re.sub(r"\{[^}]*\}", quote(value, safe="") or "1", path)


def refused_well(visitor: Visitor, method: str, path: str, body: bytes | None = None) -> None:
    answer = visitor.send(
        method,
        path,
        body,
        origin=visitor.url,
        content_type="application/x-www-form-urlencoded" if body is not None else "",
    )
    where = f"{method} {path[:200]} {body[:80] if body else ''!r}: {answer.status}"
    assert answer.status < 500, where
    assert "json" not in (answer.header("content-type") or ""), where
    assert (answer.header("location") or "/ui").startswith("/ui"), where
    assert not [value for name, value in answer.headers if name == "set-cookie" and value.startswith("x=")], (
        where
    )
    strange = {one for one in alien_tags(answer.body.decode("utf-8", "replace")) if one.startswith("on")}
    assert not strange, where


@pytest.mark.parametrize("value", BAD, ids=ascii)
def test_no_address_is_a_fault_of_the_gateways(visitor: Visitor, value: str) -> None:
    found = walked("GET")
    assert len(found) > 30
    for route in found:
        path = filled(route.path, value) if len(value) < 100 and "/" not in value else filled(route.path, "1")
        names = [one.alias for one in route.dependant.query_params]
        refused_well(visitor, "GET", f"{path}?{urlencode([(name, value) for name in names])}")


@pytest.mark.parametrize("value", BAD, ids=ascii)
def test_no_form_is_a_fault_of_the_gateways(visitor: Visitor, value: str) -> None:
    found = walked("POST")
    assert len(found) > 25
    assert len(fields()) > 60
    put = f"{value} before {value}"
    body = urlencode([(name, put if name == "put" else value) for name in fields()]).encode()
    for route in found:
        refused_well(visitor, "POST", filled(route.path, "1"), body)
        refused_well(visitor, "POST", filled(route.path, "1"), b"")


def test_a_form_too_large_or_with_too_many_fields_is_refused_in_words(visitor: Visitor) -> None:
    for body in (b"dry=" + b"x" * 2_000_000, b"&".join(b"a=1" for _ in range(1001))):
        answer = visitor.send(
            "POST",
            "/ui/mappings/explain",
            body,
            origin=visitor.url,
            content_type="application/x-www-form-urlencoded",
        )
        assert answer.status in (413, 422), answer.status
        assert b"<h1>" in answer.body
