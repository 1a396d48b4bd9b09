"""Undo on a page, and two who change one thing: over the wire, with a page's own form in the place of a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.gateway import Gateway

from .visitor import Visitor


@pytest.fixture
def rule(gateway: Gateway) -> Iterator[dict[str, Any]]:
    made = gateway.api("POST", "/api/mappings", {"model_pattern": "undo-*", "backend_type": "local"})
    yield made
    gateway.api("DELETE", f"/api/mappings/{made['id']}")


def newest(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = gateway.api("GET", "/api/audit?limit=1")[0]
    return found


def test_an_undo_goes_back_to_its_page_and_can_be_undone(
    gateway: Gateway, visitor: Visitor, rule: dict[str, Any]
) -> None:
    gateway.api("PATCH", f"/api/mappings/{rule['id']}", {"priority": 7})
    page = visitor.follow(f"/ui/undo/{newest(gateway)['id']}", {"back": "/ui/more"})
    assert "Undone: rule undo-*." in page.body.decode()
    done = newest(gateway)
    assert (done["who"], len(done["session"])) == ("web page", 6)
    assert f'action="/ui/undo/{done["id"]}"' in page.body.decode()
    assert gateway.api("GET", f"/api/mappings/{rule['id']}")["priority"] == 0


def test_an_undo_leads_to_no_other_site(gateway: Gateway, visitor: Visitor, rule: dict[str, Any]) -> None:
    gateway.api("PATCH", f"/api/mappings/{rule['id']}", {"priority": 7})
    answer = visitor.post(f"/ui/undo/{newest(gateway)['id']}", {"back": "https://evil.example/ui"})
    assert answer.header("location") == "/ui"


def test_an_undo_that_comes_too_late_says_so(
    gateway: Gateway, visitor: Visitor, rule: dict[str, Any]
) -> None:
    gateway.api("PATCH", f"/api/mappings/{rule['id']}", {"priority": 7})
    first = newest(gateway)["id"]
    gateway.api("PATCH", f"/api/mappings/{rule['id']}", {"priority": 8})
    answer = visitor.post(f"/ui/undo/{first}", {"back": "/ui"}, hx_request="true")
    assert answer.status == 409
    assert "undo that one first" in re.sub(r"\s+", " ", answer.body.decode())
    assert b"typed" not in answer.body, "nothing was typed: it is a button"
    assert b"typed" not in visitor.post(f"/ui/undo/{first}", {"back": "/ui"}).body
