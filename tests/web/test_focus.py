"""What was seen by going through every page: the focus that a swap lost, names and texts that did not fit, a menu that was
covered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.e2e.gateway import Gateway

from .accessible import assert_fits

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from .windows import Windows

AT = """(where) => { const at = document.activeElement;
  return at !== document.body && (where.startsWith("=") ? at.textContent.trim() === where.slice(1) : at.closest(where) !== null); }"""


def focus(page: Page, where: str) -> None:
    """Waits until the focus is within it, or is on `=these words`."""
    page.wait_for_function(AT, arg=where)


def test_the_focus_was_lost_after_saving_cancelling_switching_and_deleting(
    gateway: Gateway, windows: Windows
) -> None:
    name = gateway.backend("local", "http://127.0.0.1:9")
    made = gateway.rule(gateway.fresh("focus"), name)
    page, card = windows.open(gateway), f"#rule-{made['id']}"
    page.goto("/ui/mappings")
    edit = page.locator(f"#edit-{made['id']}")
    edit.press("Enter")
    focus(page, f"#pattern-{made['id']}")
    page.keyboard.press("Enter")  # saved
    page.get_by_text("Saved ").wait_for()
    focus(page, card)
    edit.press("Enter")
    focus(page, f"#pattern-{made['id']}")
    page.keyboard.press("Escape")  # leaves the field
    page.keyboard.press("Escape")  # and the form
    edit.wait_for()
    focus(page, card)
    page.locator(f"#menu-{made['id']}").press("Enter")
    focus(page, ".menu")
    page.locator(".menu button", has_text="Delete").press("Enter")
    page.get_by_text("Deleted ").wait_for()
    focus(page, "main")
    page.goto(f"/ui/backends?show={name}")
    page.get_by_role("button", name="Switch off").press("Enter")
    focus(page, "=Switch on")
    page.get_by_role("button", name="Switch on").press("Enter")
    focus(page, "=Switch off")


def test_the_longest_names_stood_over_the_edge_of_cards_lists_and_headings(
    own_gateway: Callable[..., Gateway], windows: Windows
) -> None:
    gateway, long = own_gateway(), "b" * 64
    gateway.api("POST", "/api/local", {"name": long, "base_url": "http://127.0.0.1:9"}, status=201)
    to = {"backend_type": "local", "backend_name": long, "backend_model": "m" * 256}
    gateway.api("POST", "/api/mappings", {"model_pattern": "p" * 255, **to}, status=201)
    key = gateway.api("POST", "/api/keys", {"name": "k" * 64, "models": ["q" * 200]}, status=201)
    page = windows.open(gateway)
    for path in ("/ui/mappings", "/ui/models", "/ui/keys", f"/ui/keys/{key['id']}", "/ui/backends"):
        page.goto(path)
        for width in (1440, 768, 375):
            page.set_viewport_size({"width": width, "height": 800})
            assert_fits(page)
    sizes = {"fontSizes": {"standard": 32, "fixed": 26}}  # text alone made twice as large
    page.context.new_cdp_session(page).send("Page.setFontSizes", sizes)
    for path in (
        "/ui",
        "/ui/requests",
        "/ui/mappings",
        "/ui/backends",
        "/ui/keys/new",
        "/ui/usage",
        "/ui/playground",
    ):
        page.goto(path)
        assert_fits(page)


def test_a_double_click_made_two_rules(gateway: Gateway, windows: Windows) -> None:
    page, pattern = windows.open(gateway), gateway.fresh("twice")
    page.goto("/ui/mappings?new=*")
    page.locator("#pattern-new").fill(pattern)
    page.locator(".rule-form select").first.select_option(index=1)
    page.get_by_role("button", name="Add", exact=True).dblclick()
    page.get_by_text(f"Added {pattern}.").wait_for()
    page.get_by_role("button", name="Undo").click()  # a form that has come is sent as any other
    page.get_by_text("Undone: ").wait_for()
    made = [one for one in gateway.api("GET", "/api/audit?limit=10") if f"{pattern}" in str(one["rows"])]
    assert len(made) == 2, "added once, undone once"


def test_without_a_script_the_menu_of_a_rule_was_covered_by_the_card_below(
    gateway: Gateway, windows: Windows
) -> None:
    made = [gateway.rule(gateway.fresh("covered"), "openai") for _ in range(2)]
    try:
        page = windows.open(gateway, script=False)
        for one in made:  # one of them has the other below it
            page.goto(f"/ui/mappings?menu={one['id']}")
            page.locator(".menu button", has_text="Delete").click(trial=True)
    finally:
        for one in made:
            gateway.api("DELETE", f"/api/mappings/{one['id']}")
