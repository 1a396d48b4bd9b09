"""Fixtures for the tests of the pages.

`visitor`: signed in to the worker's shared gateway without a browser. `page`: a browser's page that is signed in there.
`windows.open(gateway, theme="dark", width=375)`: as many pages as a test needs, at any gateway. When a test ends, the console
of each was empty and none asked another host; what a test brings about on purpose, `windows.watch(page).expected` is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from . import chrome
from .visitor import Visitor
from .windows import Windows

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.e2e.gateway import Gateway


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all tests of this folder in this worker; ends with the folder's last one, for its loop counts as running."""
    if (lack := chrome.missing()) is not None:
        pytest.skip(lack)
    with chrome.launched() as running:
        yield running


@pytest.fixture(scope="module")
def visitor(gateway: Gateway) -> Iterator[Visitor]:
    made = Visitor(gateway.url, gateway.admin_token)
    yield made
    made.close()


@pytest.fixture
def windows(browser: Browser) -> Iterator[Windows]:
    made = Windows(browser)
    try:
        yield made
        made.verdict()
    finally:
        made.close()


@pytest.fixture
def page(gateway: Gateway, windows: Windows) -> Page:
    return windows.open(gateway)
