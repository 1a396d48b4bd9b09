"""Settings in a browser: each part can be used by everybody and fits a phone; theme and zone without a flash; undo by a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.gateway import Gateway

from .accessible import assert_accessible, assert_fits

if TYPE_CHECKING:
    from .windows import Windows


@pytest.mark.parametrize(
    "part", ["limits", "prices", "webhooks", "captures", "cache", "audit", "backups", "doctor", "fidelity"]
)
def test_a_part_can_be_used_by_everybody_and_fits_a_phone(
    gateway: Gateway, windows: Windows, part: str
) -> None:
    made = gateway.api("POST", "/api/groups", {"name": f"part-{part}", "note": "x" * 90})
    gateway.api("DELETE", f"/api/groups/{made['name']}")
    gateway.api("POST", "/api/backups", {})
    page = windows.open(gateway)
    page.goto(f"/ui/settings/{part}")
    if part == "doctor":
        page.get_by_role("button", name="Run").click()
        page.get_by_role("list", name="Findings").wait_for()
    for summary in page.locator(".changes summary").all()[:2]:
        summary.click()
    assert_accessible(page)
    page.set_viewport_size({"width": 375, "height": 800})
    assert_fits(page)
    assert_accessible(page, themes=("light",))
    for one in gateway.api("GET", "/api/backups"):
        gateway.api("DELETE", f"/api/backups/{one['name']}")


def test_a_backup_is_uploaded_and_put_back_by_its_form(
    gateway: Gateway, windows: Windows, tmp_path: Path
) -> None:
    made = gateway.api("POST", "/api/backups", {})["name"]
    file = tmp_path / "from elsewhere.tar"
    file.write_bytes((gateway.data_dir / "backups" / made).read_bytes())
    page = windows.open(gateway)
    page.goto("/ui/settings/backups")
    page.get_by_label("A backup, or a copy").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("nothing is changed yet").wait_for()
    assert_accessible(page)
    page.get_by_label("Type restore").fill("restore")
    page.get_by_role("button", name="Put it back").click()
    page.get_by_text("What was there is kept in").wait_for()
    for one in gateway.api("GET", "/api/backups"):
        gateway.api("DELETE", f"/api/backups/{one['name']}")


def test_a_webhook_says_where_its_events_go_while_it_is_typed(gateway: Gateway, windows: Windows) -> None:
    page = windows.open(gateway)
    page.goto("/ui/settings/webhooks")
    page.get_by_label("URL that is told").press_sequentially("http://127.0.0.1:9/hook")
    page.locator("#goes b", has_text="http://127.0.0.1:9").wait_for()
    page.get_by_role("button", name="Add").click()
    page.get_by_text("It is shown this once").wait_for()
    page.get_by_role("button", name="Copy").wait_for()
    assert_accessible(page)
    page.keyboard.press("t")
    page.get_by_text("It did not take the event").wait_for()
    page.get_by_role("button", name="Switch off").click()
    page.get_by_text("is told of nothing now").wait_for()
    page.keyboard.press("z")
    page.get_by_text("Undone: webhook").wait_for()
    page.set_viewport_size({"width": 375, "height": 800})
    assert_fits(page)
    for one in gateway.api("GET", "/api/webhooks"):
        gateway.api("DELETE", f"/api/webhooks/{one['id']}")


def test_the_zone_that_was_chosen_is_that_of_every_time(gateway: Gateway, windows: Windows) -> None:
    page = windows.open(gateway)
    page.goto("/ui/settings")
    page.get_by_label("Dark").check()
    page.get_by_label("Time zone").fill("Asia/Tokyo")
    page.get_by_role("button", name="Save").first.click()
    page.get_by_text("Saved for this browser.").wait_for()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.locator("[data-zone]").first.inner_text() == "Asia/Tokyo"
    page.goto("/ui/settings/audit")
    assert "Asia/Tokyo" in (page.locator("time").first.get_attribute("title") or "")


def test_a_host_is_let_in_and_undone_by_a_key(gateway: Gateway, windows: Windows) -> None:
    page = windows.open(gateway)
    page.goto("/ui/settings")
    page.get_by_label("Let in a name").fill("keyed.lan")
    page.get_by_label("Let in a name").press("Enter")
    page.get_by_text("keyed.lan is let in.").wait_for()
    page.keyboard.press("z")
    page.get_by_text("Undone: setting allowed_hosts.").wait_for()
    assert gateway.api("GET", "/api/hosts") == []
