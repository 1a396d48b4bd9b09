"""Every route of the control plane, walked from the router's own list, and what the data plane answers by itself: what it says
to a browser, and what it says to who has no session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest
from starlette.routing import Route

from pointsman.admin.late import MODULES, routers_of
from pointsman.admin.web.site import ROUTERS
from tests.e2e.gateway import Gateway

from .visitor import Visitor

POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
OF_THE_DATA_PLANE = [
    (method, path)
    for path in ("/", "/api/hello", "/livez", "/readyz", "/metrics", "/favicon.ico")
    for method in ("GET", "HEAD", "DELETE")
]
OPEN = {("GET", "/ui/sign-in"), ("POST", "/ui/sign-in")}
"""Pages that need no session, beside styles and scripts."""


@cache
def routes() -> list[tuple[str, str]]:
    """(method, path) of everything that is served, with a word where a path has a parameter."""
    found = {
        (method, re.sub(r"\{[^}]*\}", "1", route.path))
        for router in (*(one for module in MODULES for one in routers_of(module)), *ROUTERS)
        for route in router.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    return sorted(found)


def pages(*methods: str) -> list[tuple[str, str]]:
    return [
        (method, path)
        for method, path in routes()
        if path.startswith("/ui") and method in methods and not path.startswith("/ui/static/")
    ]


@pytest.fixture(scope="module")
def stranger(gateway: Gateway) -> Iterator[Visitor]:
    made = Visitor(gateway.url)
    yield made
    made.close()


def test_every_answer_forbids_scripts_of_others_frames_and_guessed_types(stranger: Visitor) -> None:
    assert len(routes()) > 60
    for method, path in [*routes(), *OF_THE_DATA_PLANE]:
        answer = stranger.send(method, path, b"" if method != "GET" else None, origin=stranger.url)
        where = f"{method} {path}: {answer.status}"
        if path.startswith("/internal/"):  # between the processes alone
            assert answer.status == 404, where
        policy = answer.header("content-security-policy") or ""
        assert "default-src 'none'" in policy, where
        assert "frame-ancestors 'none'" in policy, where
        assert "unsafe" not in policy, where
        assert answer.header("x-content-type-options") == "nosniff", where
        assert answer.header("x-frame-options") == "DENY", where
        assert answer.header("referrer-policy") in ("no-referrer", "same-origin"), where
        assert answer.header("access-control-allow-origin") is None, where
        names = [name.lower() for name, _ in answer.headers]
        assert len(names) == len(set(names)), where


@pytest.mark.parametrize(("method", "path"), pages("GET"))
def test_a_page_has_the_whole_policy_and_is_not_kept(stranger: Visitor, method: str, path: str) -> None:
    answer = stranger.get(path)
    policy = [one.strip() for one in (answer.header("content-security-policy") or "").split(";")]
    assert set(POLICY) <= set(policy)
    assert answer.header("cache-control") == "no-store"


@pytest.mark.parametrize(
    ("method", "path"), [one for one in pages("GET", "POST", "PUT", "PATCH", "DELETE") if one not in OPEN]
)
def test_without_a_session_no_page_shows_or_does_anything(stranger: Visitor, method: str, path: str) -> None:
    body = b"" if method != "GET" else None
    answer = stranger.send(method, path, body, origin=stranger.url, accept="application/json")
    assert answer.status in (303, 401), (method, path, answer.status)
    if answer.status == 303:
        assert (answer.header("location") or "").startswith("/ui/sign-in")


@pytest.mark.parametrize(("method", "path"), pages("POST", "PUT", "PATCH", "DELETE"))
@pytest.mark.parametrize(
    ("origin", "site"),
    [
        ("http://127.0.0.1:1", "same-site"),
        ("http://evil.example", "cross-site"),
        ("null", "cross-site"),
        ("", "same-origin"),
        ("own", "cross-site"),
        ("own", "none"),
    ],
)
def test_a_write_from_elsewhere_does_nothing_even_with_the_cookie(
    visitor: Visitor, method: str, path: str, origin: str, site: str
) -> None:
    said = visitor.url if origin == "own" else origin
    form = "application/x-www-form-urlencoded"
    answer = visitor.send(method, path, b"", origin=said, sec_fetch_site=site, content_type=form)
    assert answer.status == 403, answer.body[-300:]


def test_no_page_is_changed_by_being_read() -> None:
    both = {path for method, path in pages("GET")} & {
        path for method, path in pages("POST", "PATCH", "DELETE")
    }
    writing = {path for path in both if re.search(r"/(delete|remove|revoke|rotate|undo|sign-out)$", path)}
    assert writing == set()
