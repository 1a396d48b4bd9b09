"""Client keys on their page: made, shown once, used with the official SDK, bounded, rotated and revoked."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import openai
import pytest

from tests.e2e.gateway import Gateway, wait_until

from .accessible import assert_accessible, assert_fits
from .visitor import Visitor

if TYPE_CHECKING:
    from .windows import Windows

HOSTILE = "<script>x</script>\"><img src=y>'"
SECRET = re.compile(r"pm-[\w-]{40,}")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One of its own: from the first key on every request needs one."""
    with Gateway(tmp_path_factory.mktemp("keys") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def visitor(gateway: Gateway) -> Iterator[Visitor]:
    made = Visitor(gateway.url, gateway.admin_token)
    yield made
    made.close()


def made(visitor: Visitor, **fields: str) -> tuple[int, str]:
    """(id, secret) of a key that the form makes."""
    answer = visitor.post("/ui/keys", fields)
    assert answer.status == 200, answer.body[-500:]
    (secret,) = set(SECRET.findall(answer.body.decode()))
    path = answer.header("hx-push-url") or ""
    return int(path.rsplit("/", 1)[1]), secret


def ask(gateway: Gateway, secret: str, model: str = "practice") -> str:
    """What the official SDK is answered with that key."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=secret, max_retries=0, timeout=20) as client:
        done = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello"}])
    return done.choices[0].message.content or ""


def asked(gateway: Gateway, secret: str) -> int:
    """The status of a request with that key."""
    body = {"model": "practice", "messages": [{"role": "user", "content": "hello"}]}
    return gateway.fetch("POST", "/v1/chat/completions", body, authorization=f"Bearer {secret}").status


def test_a_key_made_in_the_browser_opens_the_gateway_to_the_official_sdk(
    gateway: Gateway, windows: Windows
) -> None:
    page = windows.open(gateway)
    page.goto("/ui/keys")
    page.keyboard.press("n")
    page.wait_for_url("**/ui/keys/new")
    page.get_by_label("Name").fill("laptop")
    page.get_by_label("US dollars").fill("5")
    page.get_by_label("Each").select_option("a day")
    page.get_by_role("button", name="Make the key").click()
    secret = page.locator("#secret").inner_text()
    assert SECRET.fullmatch(secret)
    assert re.search(r"/ui/keys/\d+$", page.url), "a reload asks for the key's page, and makes no other"
    assert_accessible(page)
    assert ask(gateway, secret)
    page.reload()
    assert page.get_by_role("heading", name="laptop").is_visible()
    assert secret not in page.content()
    assert secret not in gateway.read_log()
    page.goto("/ui/keys")
    page.get_by_text("s ago").first.wait_for()
    row = page.locator("[data-row]", has_text="laptop").inner_text()
    assert "$5.00 of $5.00 left" in row
    page.set_viewport_size({"width": 375, "height": 800})
    assert_fits(page)


def test_what_is_left_of_a_budget_changes_while_one_looks(gateway: Gateway, windows: Windows) -> None:
    key = gateway.api("POST", "/api/keys", {"name": "looked-at", "budget_tokens": 9_000, "per": "day"})
    page = windows.open(gateway)
    page.goto("/ui/keys")
    row = page.locator(f"#key-{key['id']}")
    assert "9,000 of 9,000 tokens left" in row.inner_text()
    page.locator('[data-live-state="on"]').first.wait_for()
    assert asked(gateway, key["secret"]) == 200
    page.wait_for_function(
        "id => !document.getElementById(id).innerText.includes('9,000 of')", arg=f"key-{key['id']}"
    )
    assert "never" not in row.inner_text()


def test_every_field_of_the_form_reaches_the_key(gateway: Gateway, visitor: Visitor) -> None:
    gateway.api("POST", "/api/groups", {"name": "team-a"})
    key_id, _ = made(
        visitor,
        name="whole",
        owner="ann",
        note="for the notes",
        group="team-a",
        models="practice\n gpt-* \n\n",
        paths="/v1/chat/*",
        local_only="on",
        customs="refuse",
        cache_seconds="90m",
        cache_any_temperature="on",
        expires="2027-03-01T08:00",
        budget_money="2.50",
        budget_tokens="1000",
        per="week",
        zone="Europe/Berlin",
        warn="70",
        rate_requests="60",
        rate_tokens="40000",
        parallel="4",
    )
    key = gateway.api("GET", f"/api/keys/{key_id}")
    assert datetime.fromisoformat(key["expires_at"]).astimezone(UTC).year == 2027
    said = {
        "name": "whole",
        "owner": "ann",
        "note": "for the notes",
        "group": "team-a",
        "models": ["practice", "gpt-*"],
        "paths": ["/v1/chat/*"],
        "local_only": True,
        "customs": "refuse",
        "cache_seconds": 5400,
        "cache_any_temperature": True,
        "budget_money": 2.5,
        "budget_tokens": 1000,
        "per": "week",
        "zone": "Europe/Berlin",
        "warn": 70,
        "rate_requests": 60,
        "rate_tokens": 40000,
        "parallel": 4,
    }
    assert {name: key[name] for name in said} == said
    page = visitor.text(f"/ui/keys/{key_id}")
    for text in ("2.5", "practice\ngpt-*", "2027-03-01T", "40000", "for the notes", 'value="90m"'):
        assert text in page
    listed = visitor.text("/ui/keys")
    assert "60 requests, 40.0k tokens a minute; 4 at once" in listed
    assert "this machine only; customs refuse; answers kept 90m; practice, gpt-*; /v1/chat/*" in listed


def fields_of(text: str) -> dict[str, str]:
    """What the first form of a key's page would send."""
    form = text[text.index('name="version"') :]
    form = form[: form.index("</form>")]
    found = {"version": re.findall(r'value="([^"]*)"', form)[0]}
    for name, value in re.findall(r'<input id="f-[\w-]+" name="(\w+)"[^>]*? value="([^"]*)"', form):
        found[name] = html.unescape(value)
    for name, value in re.findall(r'<textarea id="f-[\w-]+" name="(\w+)"[^>]*>([^<]*)<', form):
        found[name] = html.unescape(value)
    return found


def test_a_form_that_was_overtaken_is_not_saved(gateway: Gateway, visitor: Visitor) -> None:
    key_id, _ = made(visitor, name="shared", rate_requests="10", budget_money="5", models="a-*\nb-*")
    sent = fields_of(visitor.text(f"/ui/keys/{key_id}"))
    gateway.cli("key", "update", str(key_id), "--rate-requests", "20")
    refused = visitor.post(f"/ui/keys/{key_id}", sent | {"rate_requests": "30"})
    assert refused.status == 409
    told = re.findall(r'<th scope="row">(\w+)', refused.body.decode())
    assert told == ["rate_requests"], "what stands as it was sent is no difference"
    assert b"by the command line since you opened it" in refused.body
    assert gateway.api("GET", f"/api/keys/{key_id}")["rate_requests"] == 20
    sent = fields_of(visitor.text(f"/ui/keys/{key_id}"))
    shown = visitor.follow(f"/ui/keys/{key_id}", sent | {"rate_requests": "30"})
    assert b"Saved shared." in shown.body
    assert gateway.api("GET", f"/api/keys/{key_id}")["rate_requests"] == 30
    (undo,) = set(re.findall(r'action="(/ui/undo/\d+)"', shown.body.decode()))
    assert b"Undone: client key" in visitor.follow(undo, {"back": "/ui/keys"}).body
    assert gateway.api("GET", f"/api/keys/{key_id}")["rate_requests"] == 20


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("budget_money", "five", "write an amount in US dollars"),
        ("rate_requests", "1.5", "write a whole number"),
        ("budget_money", "2,50", "write an amount"),  # was read as 250
        ("warn", "0", "warn"),
        ("zone", "Mars/Base", "zone"),
        ("expires", "soon", "write a moment"),
        ("group", "no-such", "There is no group"),
        ("models", "", None),
    ],
)
def test_a_wrong_field_is_told_and_makes_no_key(
    gateway: Gateway, visitor: Visitor, name: str, value: str, told: str | None
) -> None:
    before = len(gateway.api("GET", "/api/keys"))
    sent = {"name": "wrong", "budget_tokens": "5", "per": "day", name: value}
    answer = visitor.post("/ui/keys", sent, hx_request="true")
    if told is None:
        assert answer.status == 200
        return
    assert 400 <= answer.status < 500
    assert told in html.unescape(answer.body.decode())
    assert answer.header("hx-retarget") == "#notice"
    assert len(gateway.api("GET", "/api/keys")) == before


def test_a_rotated_keys_old_secret_is_good_for_as_long_as_was_said(
    gateway: Gateway, visitor: Visitor
) -> None:
    key_id, old = made(visitor, name="turned")
    refused = visitor.post(f"/ui/keys/{key_id}/rotate", {"typed": "turn", "grace_seconds": "3600"})
    assert refused.status == 422
    assert asked(gateway, old) == 200
    answer = visitor.post(f"/ui/keys/{key_id}/rotate", {"typed": "turned", "grace_seconds": "3600"})
    (new,) = set(SECRET.findall(answer.body.decode()))
    assert new != old
    assert (asked(gateway, new), asked(gateway, old)) == (200, 200)
    answer = visitor.post(f"/ui/keys/{key_id}/rotate", {"typed": "turned", "grace_seconds": "0"})
    (newest,) = set(SECRET.findall(answer.body.decode()))
    assert (asked(gateway, newest), asked(gateway, new)) == (200, 401)
    log = gateway.read_log() + str(gateway.api("GET", "/api/audit"))
    assert not any(one in log for one in (old, new, newest))


def test_a_key_is_revoked_by_typing_its_name(gateway: Gateway, windows: Windows) -> None:
    key = gateway.api("POST", "/api/keys", {"name": "gone"})
    page = windows.open(gateway)
    windows.watch(page).expected.append("status of 422")
    page.goto(f"/ui/keys/{key['id']}")
    form = page.locator("form", has=page.get_by_role("button", name="Revoke"))
    form.get_by_role("textbox").fill("another")
    form.get_by_role("button").click()
    page.get_by_role("alert").filter(has_text="type the key's name").wait_for()
    assert form.get_by_role("textbox").input_value() == "another", "what was typed is kept"
    assert asked(gateway, key["secret"]) == 200
    form.get_by_role("textbox").fill("gone")
    form.get_by_role("button").click()
    page.get_by_text("Revoked gone.").wait_for()
    assert asked(gateway, key["secret"]) == 401
    assert page.locator(f"#key-{key['id']}").count() == 0
    page.get_by_role("link", name="Revoked", exact=True).click()
    page.locator(f"#key-{key['id']}").wait_for()


def test_hostile_names_are_text_wherever_they_stand(gateway: Gateway, windows: Windows) -> None:
    key = gateway.api("POST", "/api/keys", {"name": HOSTILE, "owner": HOSTILE, "note": HOSTILE})
    page = windows.open(gateway)
    for path in ("/ui/keys", f"/ui/keys/{key['id']}"):
        page.goto(path)
        assert HOSTILE in page.locator("main").inner_text()
        assert page.locator("main img").count() == 0
        assert_accessible(page)
        page.set_viewport_size({"width": 375, "height": 800})
        assert_fits(page)


def test_a_group_is_added_filled_changed_and_removed(gateway: Gateway, visitor: Visitor) -> None:
    shown = visitor.follow("/ui/keys/groups", {"name": "team-b", "budget_money": "200", "per": "month"})
    assert b"Added the group team-b." in shown.body
    assert b"$200.00 of $200.00 left" in shown.body
    key_id, _ = made(visitor, name="of-b", group="team-b")
    assert "of-b" in visitor.text("/ui/keys/groups/team-b")
    refused = visitor.post("/ui/keys/groups/team-b/remove", {})
    assert refused.status == 409
    version = gateway.api("GET", "/api/groups/team-b")["version"]
    shown = visitor.follow("/ui/keys/groups/team-b", {"name": "team-c", "parallel": "2", "version": version})
    assert b"Saved the group team-c." in shown.body
    assert gateway.api("GET", "/api/groups/team-c")["budget_money"] is None
    visitor.follow(f"/ui/keys/{key_id}/revoke", {"typed": "of-b"})
    shown = visitor.follow("/ui/keys/groups/team-c/remove", {})
    assert b"Removed the group team-c." in shown.body


def test_a_key_says_when_it_was_used_last(gateway: Gateway) -> None:
    key = gateway.api("POST", "/api/keys", {"name": "once"})
    assert key["last_used_at"] is None
    before = datetime.now(UTC)
    assert asked(gateway, key["secret"]) == 200
    used = wait_until(
        "it is in the log", lambda: gateway.api("GET", f"/api/keys/{key['id']}")["last_used_at"]
    )
    assert abs((datetime.fromisoformat(used) - before).total_seconds()) < 30


def test_the_page_says_what_to_do_while_the_database_is_locked(gateway: Gateway, visitor: Visitor) -> None:
    import sqlite3

    (database,) = gateway.data_dir.glob("pointsman.db")
    holder = sqlite3.connect(database, isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        answer = visitor.post("/ui/keys", {"name": "locked"}, hx_request="true")
        assert answer.status == 503
        assert b"What you typed is kept." in answer.body
        holder.execute("ROLLBACK")
    finally:
        holder.close()
    assert all(key["name"] != "locked" for key in gateway.api("GET", "/api/keys"))
