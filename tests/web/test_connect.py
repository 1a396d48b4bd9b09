"""Connect: what is copied has this gateway's address, a key is shown once, and a program's first request shows by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.web import fetch

from .visitor import Visitor

if TYPE_CHECKING:
    from .windows import Windows

HELLO = {"model": "practice", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of its own: a key that is made here would be needed by every test."""
    with Gateway(tmp_path_factory.mktemp("connect")) as running:
        yield running


@pytest.fixture(scope="module")
def guest(alone: Gateway) -> Iterator[Visitor]:
    made = Visitor(alone.url, alone.admin_token)
    yield made
    made.close()


def asked(gateway: Gateway, agent: str, model: str = "practice", key: str = "") -> int:
    headers = {"user-agent": agent} | ({"authorization": f"Bearer {key}"} if key else {})
    return fetch(gateway.url, "POST", "/v1/messages", HELLO | {"model": model}, headers).status


def test_snippets_have_the_address_that_the_browser_uses(alone: Gateway, guest: Visitor) -> None:
    text = unescape(guest.text("/ui/connect?program=claude-code&model=qwen3"))
    assert f"export ANTHROPIC_BASE_URL={alone.url}\n" in text
    assert "export ANTHROPIC_MODEL=qwen3" in text
    assert "No key is needed" in text
    assert "Waiting for its first request." in text
    named = f"--model qwen3 --data-dir {alone.data_dir}"
    assert f">pointsman connect claude-code {named} --write<" in text
    assert f">pointsman launch claude {named}<" in text


def test_a_window_that_is_known_stands_in_the_snippet(alone: Gateway, guest: Visitor) -> None:
    backend = alone.backend("local", "http://127.0.0.1:9", context_window=8192)
    alone.rule("windowed", f"{backend}=m")
    page = unescape(guest.text("/ui/connect?program=zed&model=windowed"))
    assert '"max_tokens": 8192' in page
    assert '<option value="windowed">' in page


def test_a_models_name_is_text_wherever_it_stands(guest: Visitor) -> None:
    page = guest.text(f"/ui/connect?program=curl&model={quote(HOSTILE)}")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("query", ["program=nobody", "model=%00", "key=me", "since=-1"])
def test_what_is_not_there_is_said_on_a_page(guest: Visitor, query: str) -> None:
    answer = guest.get(f"/ui/connect?{query}")
    assert answer.status in (404, 422)
    assert answer.header("content-type").startswith("text/html")  # type: ignore[union-attr]


def test_cursor_is_said_to_need_a_public_address(guest: Visitor) -> None:
    assert "public https address" in guest.text("/ui/connect?program=cursor")


def test_without_a_script_the_page_looks_again_by_a_link(alone: Gateway, guest: Visitor) -> None:
    page = guest.text("/ui/connect?program=crush")
    again = re.search(r'<noscript><p><a class="link" href="([^"]+)"', page)
    assert again is not None
    assert asked(alone, "Charm-Crush/v0.96.1 (https://charm.land/crush)") == 200
    for _ in range(200):  # a record waits for its batch
        if "Arrived" in (text := guest.text(unescape(again[1]))):
            break
    assert "answered by" in text
    assert "local/practice:practice" in text


def test_the_first_request_shows_by_itself_whether_it_failed_or_not(alone: Gateway, windows: Windows) -> None:
    page = windows.open(alone)
    page.goto("/ui/connect?program=claude-code")
    page.get_by_text("Waiting for its first request.").wait_for()
    page.locator("[data-live-state=on]").first.wait_for()
    assert asked(alone, "claude-cli/2.1.197 (external, cli)", "no-such-model") == 404
    page.get_by_text("nothing here answers to the model name no-such-model").wait_for()
    assert asked(alone, "claude-cli/2.1.197 (external, cli)") == 200
    page.locator("#arrival.is-arrived").get_by_text("answered by").wait_for()
    assert page.locator("#arrival[data-live]").count() == 0  # it is over


def test_a_key_is_shown_once_and_its_snippets_have_it(alone: Gateway, windows: Windows) -> None:
    """The last of this gateway: every request needs a key from here on."""
    page = windows.open(alone)
    page.goto("/ui/connect?program=codex")
    page.get_by_label("Only for").check()
    page.get_by_role("button", name="Make a key").click()
    secret = page.locator("[data-made]:focus #secret").inner_text()
    assert f'args = ["{secret}"]' in page.locator("#snippet-1").inner_text()
    assert asked(alone, "codex_exec/0.171.0", "practice:429", secret) == 403
    page.get_by_text("its key may not use this model").wait_for()
    assert asked(alone, "codex_exec/0.171.0") == 401
    page.get_by_text("its client key is missing or wrong").wait_for()
    assert asked(alone, "codex_exec/0.171.0", key=secret) == 200
    page.locator("#arrival.is-arrived").wait_for()
    page.goto("/ui/connect?program=codex")
    assert secret not in page.content()
    assert "YOUR-CLIENT-KEY" in page.locator("#snippet-1").inner_text()
    assert page.locator("#snippet-2").inner_text().endswith(" --key Codex --write")
