"""What the other tests of the pages rely on: the watch sees what it is there for, axe finds, a width is measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from .accessible import assert_accessible, assert_fits
from .watch import Watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ELSEWHERE = "http://127.0.0.2:9/picture.png"


@pytest.fixture
def watched(browser: Browser) -> Iterator[tuple[Page, Watch]]:
    context = browser.new_context(viewport={"width": 375, "height": 700})
    watch = Watch(context, "http://127.0.0.1:1")
    yield context.new_page(), watch
    context.close()


def test_a_word_in_the_console_fails_a_test_unless_it_was_expected(watched: tuple[Page, Watch]) -> None:
    page, watch = watched
    page.evaluate("console.info('a word')")
    with pytest.raises(AssertionError, match="a word"):
        watch.verdict()
    watch.expected.append("a word")
    watch.verdict()


def test_an_error_that_nobody_caught_fails_a_test(watched: tuple[Page, Watch]) -> None:
    page, watch = watched
    with page.expect_event("pageerror"):
        page.evaluate("setTimeout(() => { throw new Error('lost') })")
    with pytest.raises(AssertionError, match="lost"):
        watch.verdict()


def test_a_request_to_another_host_fails_a_test(watched: tuple[Page, Watch]) -> None:
    page, watch = watched
    watch.expected.append("ERR_")
    with page.expect_event("requestfailed"):
        page.set_content(f"<img src='{ELSEWHERE}'>", wait_until="commit")
    with pytest.raises(AssertionError, match=r"127\.0\.0\.2"):
        watch.verdict()


def test_what_a_screen_reader_cannot_use_is_found(watched: tuple[Page, Watch]) -> None:
    page, watch = watched
    page.set_content("<html lang=en><title>A page</title><main><h1>A page</h1><input></main>")
    with pytest.raises(AssertionError, match="label"):
        assert_accessible(page)
    page.set_content(
        "<html lang=en><title>A page</title><main><h1>A page</h1><label>Name <input></label></main>"
    )
    assert_accessible(page)
    watch.verdict()


def test_what_is_too_wide_is_found(watched: tuple[Page, Watch]) -> None:
    page, _ = watched
    page.set_content("<p>fits</p>")
    assert_fits(page)
    page.set_content("<p style='width: 900px'>too wide</p>")
    with pytest.raises(AssertionError, match="too wide"):
        assert_fits(page)
