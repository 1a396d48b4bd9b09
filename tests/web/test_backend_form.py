"""A stored backend is edited: every column of it, its key only where its address is another; who was first is shown; what was
typed is kept."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from pointsman.providers.urls import engine_url
from tests.e2e.gateway import Gateway

from .accessible import assert_accessible, assert_fits
from .visitor import Visitor

if TYPE_CHECKING:
    from .windows import Windows

KEY = "sk-canary-0123456789abcdefghij"
NEW_KEY = "sk-canary-9876543210zyxwvutsrq"


def cloud(gateway: Gateway, **columns: Any) -> str:
    name = gateway.fresh("cloud")
    body = {"backend_type": "openai", "name": name, "base_url": "https://one.example/v1", "api_key": KEY}
    gateway.api("POST", "/api/credentials", body | columns, status=201)
    return f"openai/{name}"


def near(gateway: Gateway, **columns: Any) -> str:
    name = gateway.fresh("box")
    gateway.api("POST", "/api/local", {"name": name, "base_url": "http://127.0.0.1:9", **columns}, status=201)
    return f"local/{name}"


def row(gateway: Gateway, key: str) -> dict[str, Any]:
    path = f"/api/credentials/{key}" if key.startswith("openai") else f"/api/{key}"
    found = gateway.api("GET", path)
    assert isinstance(found, dict)
    return found


def fields_of(text: str) -> dict[str, str]:
    """What a browser would send of the form as it stands, but for its protocols."""
    form = text[text.index('<form class="dry" id="edit"') :]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form[: form.index("</form>")]):
        said = {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        if said.get("type") != "checkbox":
            found.setdefault(said["name"], said.get("value", ""))
        elif "checked" in tag and said["name"] != "dialects":
            found[said["name"]] = "on"
    for name, options in re.findall(r'<select[^>]*name="(\w+)">(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def opened(visitor: Visitor, key: str) -> dict[str, str]:
    return fields_of(visitor.text(f"/ui/backends?show={key}&edit=1"))


def test_every_column_of_a_provider_is_edited_and_undone_and_its_key_stays(
    gateway: Gateway, visitor: Visitor
) -> None:
    key = cloud(gateway)
    before = row(gateway, key)
    typed = {
        "max_in_flight": "7",
        "budget_money": "12.50",
        "budget_tokens": "90000",
        "per": "day",
        "zone": "Europe/Berlin",
        "warn": "60",
        "dialects": "openai_responses",
        "auth": "x-api-key",
        "proxy": "none",
        "silent_end": "on",
    }
    page = visitor.follow("/ui/backends/edit", opened(visitor, key) | typed).body.decode()
    assert f"{key} is saved." in page
    after = row(gateway, key)
    assert {name: after[name] for name in typed} == {
        **typed,
        "max_in_flight": 7,
        "budget_money": 12.5,
        "budget_tokens": 90000,
        "warn": 60,
        "dialects": ["openai_responses"],
        "silent_end": True,
    }
    assert after["key_fingerprint"] == before["key_fingerprint"]
    again = opened(visitor, key)
    assert {name: again[name] for name in ("budget_money", "per", "silent_end")} == {
        "budget_money": "12.5",
        "per": "day",
        "silent_end": "on",
    }
    undo = re.search(r"/ui/undo/\d+", page)
    assert undo is not None
    visitor.follow(undo[0], {"back": "/ui/backends"})
    assert row(gateway, key)["budget_money"] is None


def test_a_local_servers_columns_are_edited_and_emptied(gateway: Gateway, visitor: Visitor) -> None:
    key = near(gateway, context_window=4096, max_in_flight=2, dialects=["openai_chat"], join_resends=True)
    typed = {"base_url": "http://127.0.0.1:10", "context_window": "", "max_in_flight": "", "enabled": ""}
    visitor.follow("/ui/backends/edit", opened(visitor, key) | typed)
    after = row(gateway, key)
    assert after["base_url"] == "http://127.0.0.1:10"
    assert [after[name] for name in ("context_window", "max_in_flight", "dialects")] == [None] * 3
    assert (after["enabled"], after["join_resends"]) == (False, True)


@pytest.mark.parametrize("kind", ["openai", "local"])
def test_a_stored_key_moves_to_no_other_origin(gateway: Gateway, visitor: Visitor, kind: str) -> None:
    key = cloud(gateway) if kind == "openai" else near(gateway, api_key=KEY)
    before = row(gateway, key)
    was = "https://one.example" if kind == "openai" else "http://127.0.0.1:9"
    to = "https://two.example" if kind == "openai" else "http://127.0.0.1:10"
    asked = f"/ui/backends/origin?backend_type={kind}&base_url={quote(to, safe='')}&key={key}"
    said = visitor.text(asked)
    assert f"given for <b>{was}</b> and does not move" in said
    assert f"sent to <b>{to}</b>" in said
    typed = opened(visitor, key) | {"base_url": to, "max_in_flight": "3"}
    refused = visitor.post("/ui/backends/edit", typed)
    text = refused.body.decode()
    assert refused.status == 422
    assert f"was given for {was} and does not move to {to}" in text
    kept = fields_of(text)
    assert (kept["base_url"], kept["max_in_flight"]) == (to, "3")
    assert row(gateway, key) == before
    page = visitor.follow("/ui/backends/edit", typed | {"api_key": NEW_KEY}).body.decode()
    assert "/ui/undo/" not in page, "the old key is forgotten"
    after = row(gateway, key)
    assert (after["base_url"], after["max_in_flight"]) == (to, 3)
    assert after["key_fingerprint"] not in (None, before["key_fingerprint"])
    assert NEW_KEY not in page


def test_a_key_of_the_same_address_is_not_replaced_in_passing(gateway: Gateway, visitor: Visitor) -> None:
    for key in (cloud(gateway), near(gateway, api_key=KEY)):
        refused = visitor.post("/ui/backends/edit", opened(visitor, key) | {"api_key": NEW_KEY})
        assert refused.status == 422
        assert "use &#34;Rotate the key&#34;" in refused.body.decode()
        assert NEW_KEY.encode() not in refused.body
        said = visitor.post(
            "/ui/backends/edit", opened(visitor, key) | {"api_key": NEW_KEY}, hx_request="true"
        )
        assert (said.status, said.header("hx-retarget")) == (422, "#notice")


def test_a_server_that_moves_may_forget_its_key(gateway: Gateway, visitor: Visitor) -> None:
    key = near(gateway, api_key=KEY)
    typed = {"base_url": "http://127.0.0.1:11", "forget": "on"}
    visitor.follow("/ui/backends/edit", opened(visitor, key) | typed)
    assert row(gateway, key)["key_fingerprint"] is None


@pytest.mark.parametrize("moves", [False, True])
def test_who_was_first_is_shown_beside_ones_own(gateway: Gateway, visitor: Visitor, moves: bool) -> None:
    key = cloud(gateway)
    typed = opened(visitor, key) | {"max_in_flight": "4"}
    if moves:
        typed |= {"base_url": "https://two.example", "api_key": NEW_KEY}
    gateway.api("PATCH", f"/api/credentials/{key}", {"max_in_flight": 9, "silent_end": True})
    answer = visitor.post("/ui/backends/edit", typed)
    text = answer.body.decode()
    assert answer.status == 409
    assert '<th scope="row">max_in_flight</th><td>4</td><td>9</td>' in text
    assert '<th scope="row">silent_end</th><td>—</td><td>on</td>' in text
    assert '<th scope="row">warn</th>' not in text
    assert ("Save mine" in text) is not moves, "a key is never written into a page"
    assert NEW_KEY not in text
    assert row(gateway, key)["max_in_flight"] == 9


def test_what_an_engine_runs_is_the_command_lines(gateway: Gateway, visitor: Visitor) -> None:
    name = gateway.fresh("tiny")
    gateway.api("POST", "/api/local", {"name": name, "base_url": engine_url(name)}, status=201)
    text = visitor.text(f"/ui/backends?show=local/{name}&edit=1")
    assert f"<code>pointsman local update {name}</code>" in text
    assert 'name="base_url"' not in text
    visitor.follow("/ui/backends/edit", fields_of(text) | {"max_in_flight": "2"})
    after = row(gateway, f"local/{name}")
    assert (after["base_url"], after["max_in_flight"]) == (engine_url(name), 2)
    gateway.api("DELETE", f"/api/local/{name}", status=204)


def test_a_backend_is_edited_in_a_browser(gateway: Gateway, windows: Windows) -> None:
    key = cloud(gateway)
    page = windows.open(gateway)
    windows.watch(page).expected.append("status of 422")
    page.goto(f"/ui/backends?show={key}")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.locator("#edit").wait_for()
    assert_accessible(page)
    page.set_viewport_size({"width": 375, "height": 800})
    assert_fits(page)
    page.fill("#f-url", "https://two.example")
    page.get_by_text("does not move: paste the key").wait_for()
    page.fill("#f-max_in_flight", "many")
    page.fill("#f-url", "https://one.example/v1")
    page.get_by_text("does not move: paste the key").wait_for(state="detached")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Not saved:").wait_for()
    assert page.input_value("#f-max_in_flight") == "many"
    page.fill("#f-max_in_flight", "6")
    page.get_by_role("button", name="Save").click()
    page.get_by_text(f"{key} is saved.").wait_for()
    assert page.url.endswith(f"/ui/backends?show={key}")
    assert row(gateway, key)["max_in_flight"] == 6
