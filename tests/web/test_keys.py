"""The keyboard: what a page declares is what its keys do, nothing happens in a field, and it can be off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .accessible import assert_accessible

if TYPE_CHECKING:
    from playwright.sync_api import Page

PARTS = """() => {
  const said = (what) => { document.body.dataset.said = (document.body.dataset.said ?? "") + what; };
  const main = document.querySelector("main");
  main.replaceChildren();  // what else is on Home has rows and keys of its own
  const put = (name, key, text) => {
    const part = document.createElement(name);
    if (key) part.dataset.key = key;
    if (name === "input") part.setAttribute("aria-label", text);
    else { part.textContent = text; part.addEventListener("click", () => said(text + ".")); }
    return part;
  };
  main.append(put("input", "/", "Filter"), put("button", "n", "New rule"));
  for (const one of ["first", "second"]) {
    const row = document.createElement("div");
    row.dataset.row = ""; row.id = one;
    row.append(put("button", "", `open ${one}`), put("button", "e", `edit ${one}`));
    main.append(row);
  }
}"""


@pytest.fixture
def keyed(page: Page) -> Page:
    """Home's shell with a filter, a button and two rows of a list."""
    page.goto("/ui")
    page.evaluate(PARTS)
    return page


def said(page: Page) -> str:
    return page.get_attribute("body", "data-said") or ""


def focused(page: Page) -> str:
    text: str = page.evaluate("() => document.activeElement.textContent")
    return text


def test_a_key_presses_the_button_that_declares_it(keyed: Page) -> None:
    keyed.keyboard.press("n")
    assert said(keyed) == "New rule."


def test_rows_are_gone_through_and_opened_without_a_mouse(keyed: Page) -> None:
    keyed.keyboard.press("j")
    assert focused(keyed) == "open first"
    keyed.keyboard.press("j")
    assert focused(keyed) == "open second"
    keyed.keyboard.press("j")
    assert focused(keyed) == "open second"
    keyed.keyboard.press("Enter")
    keyed.keyboard.press("k")
    keyed.keyboard.press("Enter")
    assert said(keyed) == "open second.open first."


def test_a_row_that_came_anew_is_gone_on_from(keyed: Page) -> None:
    keyed.keyboard.press("j")
    keyed.evaluate(
        "() => { const row = document.getElementById('first'); row.replaceWith(row.cloneNode(true)); }"
    )
    keyed.keyboard.press("j")
    assert focused(keyed) == "open second"


def test_a_key_of_a_row_is_the_focused_rows(keyed: Page) -> None:
    keyed.keyboard.press("e")
    assert said(keyed) == ""  # no row has the focus
    keyed.keyboard.press("j")
    keyed.keyboard.press("j")
    keyed.keyboard.press("e")
    assert said(keyed) == "edit second."


def test_what_is_typed_in_a_field_is_text(keyed: Page) -> None:
    keyed.keyboard.press("/")
    keyed.keyboard.type("gn?je")
    assert keyed.input_value("[aria-label=Filter]") == "gn?je"
    assert said(keyed) == ""
    assert keyed.locator("dialog").count() == 0
    keyed.keyboard.press("Escape")
    keyed.keyboard.press("n")
    assert said(keyed) == "New rule."


def test_g_and_a_letter_go_to_a_page(keyed: Page) -> None:
    keyed.goto("/ui/more")
    keyed.keyboard.press("g")
    keyed.keyboard.press("h")
    keyed.wait_for_url("**/ui")
    keyed.keyboard.press("g")
    keyed.keyboard.press("9")  # no page has it
    keyed.keyboard.press("h")  # nor is this one of g any more
    assert keyed.url.endswith("/ui")


def test_the_list_has_what_the_page_declares(keyed: Page) -> None:
    keyed.keyboard.press("?")
    rows = keyed.locator("dialog div").all_inner_texts()
    shown = {" ".join(row.split()) for row in rows}
    assert {"g h Home", "/ Filter", "n New rule", "e edit first", "j Next row", "? Show this list"} <= shown
    assert_accessible(keyed)
    keyed.keyboard.press("n")
    assert said(keyed) == ""  # what is under the list is not reached
    keyed.keyboard.press("Escape")
    assert keyed.locator("dialog").count() == 0


def test_the_list_says_nothing_that_no_row_can_do(keyed: Page) -> None:
    keyed.evaluate(
        """() => { for (const one of document.querySelectorAll("[data-row] button")) one.remove(); }"""
    )
    keyed.keyboard.press("?")
    rows = [" ".join(row.split()) for row in keyed.locator("dialog div").all_inner_texts()]
    assert "j Next row" in rows
    assert [row for row in rows if row.startswith(("e ", "Enter"))] == []


def test_keys_are_turned_off_and_stay_so_while_the_list_can_be_opened(keyed: Page) -> None:
    keyed.keyboard.press("?")
    keyed.get_by_role("button", name="Turn single keys off").click()
    keyed.keyboard.press("Escape")
    keyed.reload()
    keyed.evaluate(PARTS)
    for key in ("?", "n", "j"):
        keyed.keyboard.press(key)
    assert said(keyed) == ""
    assert keyed.locator("dialog").count() == 0
    assert not keyed.locator(".rail kbd").first.is_visible()
    keyed.get_by_role("button", name="Every key").click()
    keyed.get_by_role("button", name="Turn single keys on").click()
    keyed.keyboard.press("Escape")
    keyed.keyboard.press("n")
    assert said(keyed) == "New rule."


def test_a_browsers_own_shortcuts_are_left_alone(keyed: Page) -> None:
    for key in ("Control+n", "Meta+n", "Alt+n"):
        keyed.keyboard.press(key)
    assert said(keyed) == ""
