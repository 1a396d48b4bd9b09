"""Every page of the menu on a gateway with traffic: nothing that a screen reader or a keyboard cannot use, in both themes;
nothing too wide for a phone; the console empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pointsman.admin.web.menu import MENU
from tests.e2e.gateway import Gateway

from .accessible import assert_accessible, assert_by_keyboard, assert_fits

if TYPE_CHECKING:
    from .windows import Windows

PATHS = [*(entry.path for entry in MENU), "/ui/more", "/ui/sign-in"]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_can_be_used_by_everybody_and_fits_a_phone(
    gateway: Gateway, windows: Windows, path: str
) -> None:
    page = windows.open(gateway, signed_in=path != "/ui/sign-in")
    page.goto(path)
    assert_by_keyboard(page)
    assert_accessible(page)
    page.set_viewport_size({"width": 375, "height": 800})
    assert_fits(page)
    assert_accessible(page, themes=("light",))


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_whole_without_a_script(gateway: Gateway, windows: Windows, path: str) -> None:
    page = windows.open(gateway, signed_in=path != "/ui/sign-in", script=False)
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200
    assert page.locator("h1").first.is_visible()
    assert page.locator("main").inner_text().strip()
