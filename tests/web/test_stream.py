"""The live stream: it says what changed, ends with its session, and comes back after a restart."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pointsman.admin.control.live import MOST_EARS, TOPICS
from tests.e2e.gateway import Gateway, wait_until

from .visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Route

    from .windows import Windows


TOLD_SECONDS = 1.5
"""Within which an open page has been told of a change: it is told twice a second."""


class Listening:
    """A stream that is read line by line."""

    def __init__(self, who: Visitor, mark: str = "") -> None:
        self._connection = http.client.HTTPConnection(urlsplit(who.url).netloc, timeout=15)
        cookie = "; ".join(f"{name}={value}" for name, value in who.cookies.items())
        self._connection.request(
            "GET",
            f"/ui/live?at={mark}" if mark else "/ui/live",
            headers={"cookie": cookie, "accept": "text/event-stream"},
        )
        self.answer = self._connection.getresponse()

    def event(self) -> tuple[str, str]:
        """The next one, its data as text; ("", "") at the end."""
        name = ""
        while line := self.answer.readline().decode():
            if line.startswith("event: "):
                name = line.removeprefix("event: ").strip()
            elif line.startswith("data: "):
                return name, line.removeprefix("data: ").strip()
        return "", ""

    def until(self, topic: str) -> None:
        for _ in range(40):
            name, data = self.event()
            if name == "changed" and f'"{topic}"' in data:
                return
        raise AssertionError(f"{topic} was not told")

    def close(self) -> None:
        self._connection.close()


def test_what_changes_is_told(own_gateway: Callable[..., Gateway]) -> None:
    gateway = own_gateway()
    who = Visitor(gateway.url, gateway.admin_token)
    heard = Listening(who)
    assert heard.answer.status == 200
    assert heard.answer.headers["content-type"].startswith("text/event-stream")
    assert heard.event()[0] == "hello"
    gateway.api("POST", "/api/mappings", {"model_pattern": "x", "backend_type": "local"})
    heard.until("rules")
    gateway.fetch(
        "POST", "/v1/chat/completions", {"model": "practice", "messages": [{"role": "user", "content": "x"}]}
    )
    heard.until("requests")
    gateway.api("DELETE", "/api/sign-in")
    for _ in range(40):
        if heard.event() == ("", ""):
            break
    else:
        raise AssertionError("it goes on for somebody who is signed out")
    heard.close()
    who.close()


def test_what_changed_between_a_page_and_its_stream_is_told(own_gateway: Callable[..., Gateway]) -> None:
    gateway = own_gateway()
    who = Visitor(gateway.url, gateway.admin_token)
    found = re.search(r'data-live-mark="([^"]+)"', who.text("/ui/keys"))
    assert found
    gateway.api("POST", "/api/mappings", {"model_pattern": "x", "backend_type": "local"})
    late = Listening(who, found[1])
    assert late.event()[0] == "hello"
    name, data = late.event()
    assert name == "changed"
    assert {"rules", "keys"} <= set(json.loads(data)) < TOPICS, "those that changed, and no others"
    late.close()
    for strange in ("0123456789abcdef.0", f"{found[1]}x", "x", "%C2%B2.%C2%B2", f"{found[1]}{'9' * 5000}"):
        heard = Listening(who, strange)
        assert heard.event()[0] == "hello"
        name, data = heard.event()
        assert set(json.loads(data)) == TOPICS, "nobody knows what such a page has missed"
        heard.close()
    who.close()


def test_a_page_whose_stream_began_late_shows_what_came_meanwhile(
    own_gateway: Callable[..., Gateway], windows: Windows
) -> None:
    """It said "never" of a key that was used while the page was on its way, until the next change."""
    gateway = own_gateway()
    secret = gateway.api("POST", "/api/keys", {"name": "laptop"})["secret"]
    page = windows.open(gateway)

    def later(route: Route) -> None:
        body = {"model": "practice", "messages": [{"role": "user", "content": "x"}]}
        gateway.fetch("POST", "/v1/chat/completions", body, authorization=f"Bearer {secret}")
        wait_until("it is stored", lambda: gateway.api("GET", "/api/usage"))
        route.continue_()

    page.route("**/ui/live*", later, times=1)
    page.goto("/ui/keys")
    page.locator("[data-row]", has_text="laptop").get_by_text("ago").wait_for()


def test_a_page_that_was_answered_before_the_last_change_shows_that_change(
    own_gateway: Callable[..., Gateway], windows: Windows
) -> None:
    """An engine that had stopped kept its Stop: it was told to what stood there before the answer to the click."""
    gateway = own_gateway()
    gateway.api("POST", "/api/local", {"name": "one", "base_url": "http://127.0.0.1:9"}, status=201)
    page = windows.open(gateway)

    def hold(route: Route) -> None:
        answer = route.fetch()
        gateway.api("POST", "/api/local", {"name": "two", "base_url": "http://127.0.0.1:9"}, status=201)
        time.sleep(TOLD_SECONDS)
        assert "local/two" not in answer.text()
        route.fulfill(response=answer)

    page.route("**/ui/backends/switch", hold)
    page.goto("/ui/backends?show=local/one")
    page.get_by_role("button", name="Switch off").click()
    page.get_by_role("button", name="Switch on").wait_for()
    page.locator("[id='b-local/two']").wait_for()


def test_a_part_that_replaces_itself_misses_nothing(
    own_gateway: Callable[..., Gateway], windows: Windows
) -> None:
    gateway = own_gateway()
    page = windows.open(gateway)
    body = {"model": "practice", "messages": [{"role": "user", "content": "x"}]}
    held: list[str] = []

    def hold(route: Route) -> None:
        answer = route.fetch()
        held.append(answer.text())
        gateway.fetch("POST", "/v1/chat/completions", body, user_agent="claude-cli/2.1.197 (external, cli)")
        time.sleep(TOLD_SECONDS)
        route.fulfill(response=answer)

    page.route("**/ui/connect/arrival*", hold, times=1)
    page.goto("/ui/connect?program=claude-code")
    page.locator("[data-live-word]").first.get_by_text("Live", exact=True).wait_for()
    gateway.fetch("POST", "/v1/chat/completions", body, user_agent="another/1.0")
    page.locator("#arrival.is-arrived").wait_for()
    assert "is-arrived" not in held[0]


def test_pages_that_stay_open_are_bounded_and_take_no_place_of_a_request(
    own_gateway: Callable[..., Gateway],
) -> None:
    gateway = own_gateway()
    who = Visitor(gateway.url, gateway.admin_token)
    open_pages = [Listening(who) for _ in range(MOST_EARS)]
    assert all(one.answer.status == 200 for one in open_pages)
    over = Listening(who)
    assert over.answer.status == 429
    assert over.answer.headers["retry-after"]
    over.close()
    assert gateway.fetch("GET", "/livez").status == 200
    assert who.get("/ui").status == 200
    began = time.monotonic()
    gateway.stop()
    assert time.monotonic() - began < 10, "open pages do not hold a shutdown up"
    for one in open_pages:
        one.close()
    who.close()


def test_a_page_says_that_it_is_live_and_comes_back_after_a_restart(
    own_gateway: Callable[..., Gateway], windows: Windows
) -> None:
    gateway = own_gateway()
    page = windows.open(gateway)
    watch = windows.watch(page)
    watch.expected += ["ERR_", "503"]
    page.goto("/ui")
    state = page.locator("[data-live-word]").first
    state.get_by_text("Live", exact=True).wait_for()
    gateway.options = ("--port", str(gateway.port))
    gateway.stop()
    state.get_by_text("No word since").wait_for()
    gateway.start()
    state.get_by_text("Live", exact=True).wait_for()
    assert page.evaluate("performance.getEntriesByType('navigation').length") == 1, "without a reload"


def test_a_browser_is_told_in_html_that_the_pages_will_be_back(own_gateway: Callable[..., Gateway]) -> None:
    gateway = own_gateway()
    who = Visitor(gateway.url, gateway.admin_token)
    (gateway.data_dir / "pointsman.db").rename(gateway.data_dir / "away.db")
    (control,) = gateway.pids("pointsman.admin")
    os.kill(control, signal.SIGKILL)

    def told() -> bool:
        answer = who.get("/ui", accept="text/html")
        return answer.status == 503 and b"put it back" in answer.body

    wait_until("the pages say what is missing", told)
    answer = who.get("/ui", accept="text/html")
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert int(answer.header("refresh") or 0) >= 2
    assert answer.header("hx-retarget") == "#notice"
    assert who.get("/api/mappings", accept="text/html").header("content-type") == "application/problem+json"
    (gateway.data_dir / "away.db").rename(gateway.data_dir / "pointsman.db")
    wait_until("they are back, and the session with them", lambda: who.get("/ui").status == 200)
    who.close()


def test_nothing_is_told_while_nothing_changes(own_gateway: Callable[..., Gateway]) -> None:
    gateway = own_gateway()
    who = Visitor(gateway.url, gateway.admin_token)
    heard = Listening(who)
    assert heard.event()[0] == "hello"
    told = []
    until = time.monotonic() + 4  # the data plane says how it is each second
    heard.answer.fp.raw._sock.settimeout(4)  # type: ignore[union-attr]
    with contextlib.suppress(TimeoutError):
        while time.monotonic() < until:
            told.append(heard.event())
    assert len(told) <= 1, told
    heard.close()
    who.close()
