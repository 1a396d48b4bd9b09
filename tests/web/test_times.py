"""Times in the browser's own zone, whatever way they came into the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.gateway import Gateway

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from .windows import Windows

ADD = """([at, form]) => {
  const part = document.createElement("time");
  part.id = "added"; part.dateTime = at; part.dataset.form = form; part.textContent = "as the server wrote it";
  document.querySelector("main").append(part);
}"""


@pytest.fixture
def still(page: Page) -> Page:
    """Home at 14:30 in Berlin, on 28 November 2026."""
    page.clock.set_fixed_time("2026-11-28T13:30:00Z")
    page.goto("/ui")
    return page


SHOWN = (
    ("2026-11-28T13:28:51.250Z", "time", "14:28:51"),
    ("2026-11-28T13:28:51Z", "short", "14:28"),
    ("2026-11-27T23:30:00Z", "short", "00:30"),  # of today, in Berlin
    ("2026-11-27T22:30:00Z", "short", "27 Nov 23:30"),
    ("2025-07-01T22:30:00Z", "time", "2 Jul 2025 00:30:00"),
    ("2026-11-01T00:00:00Z", "day", "1 Nov 2026"),
    ("2026-11-28T13:28:51Z", "full", "28 Nov 2026 14:28:51"),
    ("2026-11-28T13:29:48Z", "ago", "12 s ago"),
    ("2026-11-28T13:02:00Z", "ago", "28 min ago"),
    ("2026-11-26T12:00:00Z", "ago", "2 d ago"),
    ("2026-11-28T17:30:00Z", "ago", "in 4 h"),
)
"""(moment, form, what is read at 14:30 in Berlin)"""


def test_a_time_that_came_later_is_local(still: Page) -> None:
    for at, form, text in SHOWN:
        still.evaluate(ADD, [at, form])
        assert still.inner_text("#added") == text
        assert "Europe/Berlin" in (still.get_attribute("#added", "title") or "")
        still.evaluate("() => document.getElementById('added').remove()")


def test_in_a_chosen_zone_it_is_another_day(still: Page, gateway: Gateway) -> None:
    fixed = {"name": "fixed", "value": "Pacific/Auckland", "domain": gateway.host, "path": "/ui"}
    still.context.add_cookies([fixed])  # type: ignore[list-item]
    still.goto("/ui")
    still.evaluate(ADD, ["2026-11-28T10:30:00Z", "short"])  # before midnight there
    assert still.inner_text("#added") == "28 Nov 23:30"
    still.evaluate(ADD.replace('"added"', '"later"'), ["2026-11-28T13:28:51Z", "short"])
    assert still.inner_text("#later") == "02:28"


def test_a_time_that_was_written_over_is_local_again(still: Page) -> None:
    still.evaluate(ADD, ["2026-11-28T13:28:51Z", "time"])
    still.evaluate("() => { document.querySelector('#added').firstChild.nodeValue = '13:28:51 UTC'; }")
    assert still.inner_text("#added") == "14:28:51"


def test_the_zone_is_named_and_told_to_the_server(gateway: Gateway, windows: Windows) -> None:
    page = windows.open(gateway, signed_in=False)
    page.goto("/ui")
    page.get_by_label("Admin token").fill(gateway.admin_token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/ui")
    cookies = {one["name"]: one["value"] for one in page.context.cookies(gateway.url + "/ui")}
    assert cookies["zone"] == "Europe/Berlin"
    assert page.inner_text("[data-zone]") == "Europe/Berlin"
    assert page.context.request.get("/ui").text().count("Europe/Berlin") == 1
