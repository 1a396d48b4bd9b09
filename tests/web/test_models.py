"""Models: the one list, narrowed and searched; as a client sees it, which is what its own `/v1/models` says; names are text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from pointsman.practice import Reply
from pointsman.practice.scripted import ScriptedUpstream
from tests.e2e.gateway import Gateway, wait_until
from tests.e2e.web import fetch

from .visitor import Visitor

if TYPE_CHECKING:
    from .windows import Windows

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of its own: a key that is made here would be needed by every test, and its list is all there is."""
    with Gateway(tmp_path_factory.mktemp("models"), "--no-discover") as running, ScriptedUpstream() as box:
        entries = [{"id": one} for one in ("qwen3:8b", "gemma3", HOSTILE, "long-" + "x" * 200)]
        box.always(Reply(200, {"content-type": "application/json"}, body={"data": entries}))
        running.api("POST", "/api/local", {"name": "box", "base_url": box.url}, status=201)
        running.rule("fast", "local/box=gemma3", "openai=gpt-5-mini")
        wait_until("it is listed", lambda: "gemma3" in running.fetch("GET", "/v1/models").body.decode())
        yield running


@pytest.fixture(scope="module")
def guest(alone: Gateway) -> Iterator[Visitor]:
    made = Visitor(alone.url, alone.admin_token)
    yield made
    made.close()


def names(text: str) -> list[str]:
    return [unescape(one) for one in re.findall(r'<td class="m p1" title="([^"]*)"', text)]


def test_a_name_that_a_server_made_up_is_text(guest: Visitor) -> None:
    text = guest.text("/ui/models")
    assert HOSTILE in names(text)
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "1 of" not in text


def test_where_a_name_goes_and_whether_that_leaves_the_machine(guest: Visitor) -> None:
    text = guest.text("/ui/models?q=fast&protocol=anthropic_messages")
    assert names(text) == ["fast"]
    row = re.sub(r"<[^>]+>|\s+", " ", text[text.index("<tbody>") : text.index("</tbody>")])
    assert re.search(r"stays on this machine +local/box +gemma3", row)
    assert re.search(r"leaves this machine +openai +gpt-5-mini", row)
    assert "as it is if it knows the path, else translated to openai_chat" in row
    assert "free" in row


def test_nothing_matches_says_how_to_go_on(guest: Visitor) -> None:
    text = guest.text(f"/ui/models?q={quote(HOSTILE)}no")
    assert "Nothing matches." in text
    assert "<script>alert" not in text


def test_as_a_client_it_is_what_its_own_list_says(alone: Gateway, guest: Visitor) -> None:
    for scope in (["gemma3", "qwen*"], [], ["nothing"]):
        key = alone.api("POST", "/api/keys", {"name": "laptop", "models": scope}, status=201)
        said = fetch(
            alone.url, "GET", "/v1/models", None, {"authorization": f"Bearer {key['secret']}"}
        ).json()
        text = guest.text(f"/ui/models?key={key['id']}")
        assert names(text) == [one["id"] for one in said["data"]]
        assert "as laptop sees them" in text
        alone.api("DELETE", f"/api/keys/{key['id']}", status=204)


def test_a_list_is_narrowed_while_somebody_types_and_the_address_tells_it(
    alone: Gateway, windows: Windows
) -> None:
    page = windows.open(alone)
    page.goto("/ui/models")
    page.keyboard.press("/")
    page.keyboard.type("qwen")
    page.get_by_role("heading", name=" of ").wait_for()
    assert page.locator(".models tbody tr").count() == 1
    assert "q=qwen" in page.url
    page.reload()
    assert page.locator("#q").input_value() == "qwen"
    assert page.locator(".models tbody tr").count() == 1
