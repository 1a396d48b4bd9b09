"""A day at the gateway, in one browser: signed in, watched, rescued, restarted, locked, left."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pointsman.practice.scripted import ScriptedUpstream
from tests.e2e.gateway import Gateway
from tests.e2e.replies import either
from tests.e2e.web import free_port
from tests.e2e.wires import CHAT

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from .windows import Windows

Upstreams = Callable[..., ScriptedUpstream]


@pytest.fixture
def gateway(own_gateway: Callable[..., Gateway]) -> Gateway:
    """At a port of its own, so that it is there again after a restart."""
    return own_gateway("--port", str(free_port()), expect_clean_log=False)


def ask(gateway: Gateway, model: str) -> None:
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(model))
    assert answer.status == 200, answer.body


def live(page: Page, state: str) -> None:
    page.locator(f'.rail [data-live-state="{state}"]').wait_for(timeout=30_000)


def test_a_day_at_the_gateway(gateway: Gateway, upstream: Upstreams, windows: Windows) -> None:
    page = windows.open(gateway, signed_in=False)
    page.goto("/ui/keys")
    page.wait_for_url("**/ui/sign-in**")
    page.get_by_label("Admin token").fill(gateway.admin_token)
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/keys")  # where one wanted to go
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.wait_for_url("**/ui")
    live(page, "on")

    first, second = upstream(), upstream()
    for server in (first, second):
        server.always(either(CHAT, "hello"))
    model, (box, _) = gateway.route("local", first.url, second.url)
    ask(gateway, model)
    page.locator("main", has_text="answered in").wait_for()  # the way to a first answer is done
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.locator("main", has_text=box).wait_for()
    live(page, "on")
    first.kill()
    ask(gateway, model)
    page.locator("main li", has_text=model).first.wait_for()  # rescued, told without a reload
    page.locator("main", has_text="is down").wait_for(timeout=30_000)

    windows.watch(page).expected += ["ERR_", "status of 50", "Failed to fetch"]
    gateway.stop()
    live(page, "lost")
    assert "model traffic is separate" in page.locator(".rail").inner_text()
    gateway.start()
    live(page, "on")
    other, _ = gateway.route("local", second.url)
    gateway.fetch("POST", CHAT.path, CHAT.ask("no-such-model"))
    page.locator("main li", has_text="no-such-model").first.wait_for()
    ask(gateway, other)

    page.goto("/ui/keys/new")
    page.get_by_label("Name").fill("typed while it was locked")
    holder = sqlite3.connect(gateway.data_dir / "pointsman.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    page.get_by_role("button", name="Make the key").click()
    notice = page.get_by_role("alert")
    notice.wait_for(timeout=30_000)
    assert "locked by another process" in notice.inner_text()
    assert "What you typed is kept." in notice.inner_text()
    holder.execute("ROLLBACK")
    holder.close()
    assert page.get_by_label("Name").input_value() == "typed while it was locked"
    page.get_by_role("button", name="Make the key").click()
    page.locator("#secret").wait_for()

    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/ui/sign-in**")
    page.go_back()
    page.wait_for_url("**/ui/sign-in**")
    assert page.locator("#secret").count() == 0
    page.goto("/ui")
    page.wait_for_url("**/ui/sign-in**")
