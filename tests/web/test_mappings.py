"""Mappings: the order is moved by mouse, by keys and without a script, and stays; a rule is edited in place and taken back;
what somebody pastes is explained and not sent."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.web import fetch

from .visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from .windows import Windows

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mappings")


@pytest.fixture(scope="module")
def alone(folder: Path) -> Iterator[Gateway]:
    with Gateway(folder) as running:
        yield running


@pytest.fixture(scope="module")
def guest(alone: Gateway) -> Iterator[Visitor]:
    made = Visitor(alone.url, alone.admin_token)
    yield made
    made.close()


def api(gateway: Gateway, method: str, path: str, body: Any = None) -> Any:
    answer = fetch(gateway.url, method, path, body, {"authorization": f"Bearer {gateway.admin_token}"})
    assert answer.status < 300, (answer.status, answer.body)
    return json.loads(answer.body) if answer.body else None


@pytest.fixture
def rules(alone: Gateway) -> dict[str, int]:
    """Three rules and no other: by their names."""
    for row in api(alone, "GET", "/api/mappings"):
        api(alone, "DELETE", f"/api/mappings/{row['id']}")
    to = {"backend_type": "local", "backend_name": "practice"}
    names = ("alpha", "beta-*", "*")
    return {one: api(alone, "POST", "/api/mappings", {"model_pattern": one, **to})["id"] for one in names}


def order(gateway: Gateway) -> list[str]:
    return [row["model_pattern"] for row in api(gateway, "GET", "/api/mappings")]


def shown(page: str) -> list[str]:
    """Names of the cards, in their order."""
    return [unescape(name) for name in re.findall(r'<li class="card[^>]*data-name="([^"]*)"', page)]


def undo(guest: Visitor, page: str) -> str:
    path = re.search(r'action="(/ui/undo/\d+)"', page)
    assert path is not None, page[-500:]
    return guest.follow(path[1], {"back": "/ui/mappings"}).body.decode()


FORM = {"pattern": "gamma", "backend0": "local/practice", "model0": "practice", "enabled": "on"}


# -- without a script


def test_rules_are_moved_and_moved_back(alone: Gateway, guest: Visitor, rules: dict[str, int]) -> None:
    page = guest.text("/ui/mappings")
    assert shown(page) == ["alpha", "beta-*", "*"]
    page = guest.follow("/ui/mappings/move", {"put": f"{rules['*']} before {rules['alpha']}"}).body.decode()
    assert shown(page) == order(alone) == ["*", "alpha", "beta-*"]
    assert "Moved * above alpha." in page
    assert "Rule 1 (*), raised by hand, takes all of its requests." in unescape(page)
    page = undo(guest, page)
    assert shown(page) == order(alone) == ["alpha", "beta-*", "*"]
    page = guest.follow("/ui/mappings/move", {"rule": str(rules["alpha"]), "position": "3"}).body.decode()
    assert shown(page) == ["beta-*", "*", "alpha"]
    assert "Moved alpha below *." in page
    menu = guest.text(f"/ui/mappings?menu={rules['beta-*']}")
    assert f'value="{rules["beta-*"]} after {rules["*"]}">Move down' in menu
    assert "Move up" not in menu


@pytest.mark.parametrize(
    "fields",
    [{}, {"put": "x before y"}, {"put": "1 before"}, {"rule": "1", "position": "0"}, {"rule": "9" * 30}],
)
def test_a_move_that_says_nothing_is_refused_on_a_page(guest: Visitor, fields: dict[str, str]) -> None:
    answer = guest.post("/ui/mappings/move", fields)
    assert answer.status in (404, 422)
    assert answer.header("content-type").startswith("text/html")  # type: ignore[union-attr]


def test_a_rule_is_added_edited_switched_off_deleted_and_there_again(
    alone: Gateway, guest: Visitor, rules: dict[str, int]
) -> None:
    fields = FORM | {
        "backend1": "local",
        "priority": "-3",
        "fallback_on": "busy",
        "hedge_seconds": "2,5",
        "presets": "temperature=0.2\r\ntop_p?=0.9",
        "system": "Be brief.\r\nVery.",
    }
    page = guest.follow("/ui/mappings", fields).body.decode()
    assert "Added gamma." in page
    (row,) = [one for one in api(alone, "GET", "/api/mappings") if one["model_pattern"] == "gamma"]
    assert (row["priority"], row["fallback_on"], row["hedge_seconds"]) == (-3, ["busy"], 2.5)
    assert row["presets"] == {"temperature": 0.2, "top_p?": 0.9, "system": "Be brief.\nVery."}
    assert [one["backend_type"] for one in row["fallbacks"]] == ["local"]
    page = guest.text(f"/ui/mappings?edit={row['id']}")
    version = re.search(r'name="version" value="([^"]+)"', page)
    assert version is not None
    for said in ("temperature=0.2\ntop_p?=0.9", "Be brief.\nVery.", 'value="2.5"', 'value="-3"'):
        assert said in page
    change = f"/ui/mappings/change/{row['id']}"
    page = guest.follow(change, FORM | {"version": version[1], "presets": "seed=3"}).body.decode()
    assert "Saved gamma." in page
    now = api(alone, "GET", f"/api/mappings/{row['id']}")
    assert (now["presets"], now["fallbacks"], now["hedge_seconds"]) == ({"seed": 3}, [], None)
    for said in ("Switched gamma off.", "gamma was off already."):  # the second from a tab that showed it on
        assert said in guest.follow("/ui/mappings/switch", {"off": str(row["id"])}).body.decode()
        assert api(alone, "GET", f"/api/mappings/{row['id']}")["enabled"] is False
    page = guest.follow("/ui/mappings/delete", {"rule": str(row["id"])}).body.decode()
    assert "gamma" not in shown(page)
    assert "gamma" in shown(undo(guest, page))


def test_what_cannot_be_saved_is_said_in_the_form_which_keeps_what_was_typed(
    guest: Visitor, rules: dict[str, int]
) -> None:
    for wrong, word in (
        ({"pattern": f"a\x07{HOSTILE}"}, "control"),
        ({"backend0": ""}, "choose a backend"),
        ({"local_only": "on", "backend1": "openai"}, "local_only"),
        ({"hedge_seconds": "soon"}, "not a number of seconds"),
        ({"presets": "tempo=1"}, "cannot be set"),
        ({"weight0": "2"}, "weights"),
        ({"conditions": "tokens<5"}, "is no condition; write one of: tokens>N"),
        ({"conditions": "effort=low\neffort=high"}, "never hold together"),
        ({"stuck_for": "some"}, "is not a whole number"),
        ({"stuck_for": "3"}, "put stuck into fallback_on"),
        ({"fallback_on": "stuck", "stuck_after": "1", "backend1": "local"}, "stuck_after"),
    ):
        answer = guest.post("/ui/mappings", FORM | {"pattern": HOSTILE, "system": "kept <b>"} | wrong)
        page = answer.body.decode()
        assert answer.status == 422, page[-300:]
        assert word in unescape(page)
        assert "Not saved:" in page
        assert "kept &lt;b&gt;" in page
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_a_rule_that_somebody_else_has_changed_is_not_written_over_unseen(
    alone: Gateway, guest: Visitor, rules: dict[str, int]
) -> None:
    number = rules["alpha"]
    page = guest.text(f"/ui/mappings?edit={number}")
    version = re.search(r'name="version" value="([^"]+)"', page)
    assert version is not None
    api(alone, "PATCH", f"/api/mappings/{number}", {"backend_model": "theirs"})
    mine = FORM | {"pattern": "alpha", "model0": "mine", "version": version[1]}
    answer = guest.post(f"/ui/mappings/change/{number}", mine)
    page = answer.body.decode()
    assert answer.status == 412
    assert "by the admin API since you read it" in page
    assert 'value="mine"' in page
    assert api(alone, "GET", f"/api/mappings/{number}")["backend_model"] == "theirs"
    again = re.search(r'name="version" value="([^"]+)"', page)
    assert again is not None
    guest.follow(f"/ui/mappings/change/{number}", mine | {"version": again[1]})
    assert api(alone, "GET", f"/api/mappings/{number}")["backend_model"] == "mine"


def test_conditions_are_on_a_card_in_its_form_and_told_by_the_dry_run(
    alone: Gateway, guest: Visitor, rules: dict[str, int]
) -> None:
    typed = {
        "pattern": "alpha",
        "conditions": "Tokens > 5\r\nheader:x-team=<b>",
        "fallback_on": "stuck",
        "stuck_after": "4",
        "backend1": "local",
        "stick": "on",
        "stop_loops": "on",
        "recover_calls": "on",
        "customs": "mask",
        "cache_seconds": "90m",
        "cache_shared": "on",
        "backend0": "openai",
        "shadow": "local/box:q",
        "shadow_share": "30%",
    }
    page = guest.follow("/ui/mappings", FORM | typed).body.decode()
    assert "<code>header:x-team=&lt;b&gt;</code> and <code>tokens&gt;5</code>" in page
    for tag in (
        "stuck: next",
        "conversations stay",
        "ends loops",
        "calls out of text",
        "customs mask",
        "answers kept, for all keys",
    ):
        assert f'<span class="tag">{tag}</span>' in page
    row = next(one for one in api(alone, "GET", "/api/mappings") if one["conditions"])
    assert row["conditions"] == ["header:x-team=<b>", "tokens>5"]
    assert (row["stick"], row["stop_loops"], row["stuck_after"]) == (True, True, 4)
    assert (row["recover_calls"], row["customs"]) == (True, "mask")
    form = guest.get(f"/ui/mappings/form?edit={row['id']}").body.decode()
    assert "header:x-team=&lt;b&gt;\ntokens&gt;5</textarea>" in form
    assert '<option value="mask" selected>' in form
    assert (row["cache_seconds"], row["cache_shared"], row["cache_any_temperature"]) == (5400, True, False)
    assert 'name="cache_seconds" type="text" value="90m"' in form
    assert (row["shadow"], row["shadow_share"], row["shadow_busy"]) == ("local/box:q", 30, None)
    assert 'name="shadow" type="text" value="local/box:q"' in form
    assert f'<a class="tag" href="/ui/usage/shadow#shadow-{row["id"]}">compared with local/box:q</a>' in page
    told = guest.post("/ui/mappings", FORM | typed | {"shadow": "openai:gpt-5"}).body.decode()
    assert "is no local target" in told
    told = guest.post("/ui/mappings", FORM | typed | {"cache_seconds": "soon"}).body.decode()
    assert "&#39;soon&#39; is not a number" in told
    body = json.dumps({"model": "alpha", "messages": [{"role": "user", "content": "many words " * 9}]})
    curl = f"curl https://h/v1/chat/completions -H 'x-team: <b>' -d '{body}'"
    told = guest.post("/ui/mappings/explain", {"dry": curl}, hx_request="true").body.decode()
    assert "takes it:" in told
    assert told.count("holds:") == 2
    told = guest.post("/ui/mappings/explain", {"dry": body}, hx_request="true").body.decode()
    assert "does not take it:" in told
    told = guest.post("/ui/mappings/explain", {"dry": "alpha"}, hx_request="true").body.decode()
    assert "comes first when:" in told


def test_a_card_calls_other_rules_by_their_place_and_moves_the_wall_up_where_conditions_pass_it(
    alone: Gateway, guest: Visitor, rules: dict[str, int]
) -> None:
    to = {"backend_type": "local", "backend_name": "practice"}
    wall = api(alone, "POST", "/api/mappings", {"model_pattern": "secret", "local_only": True, **to})["id"]
    over = {
        "model_pattern": "secret",
        "conditions": ["images"],
        "backend_type": "openai",
        "fallback_on": ["context"],
    }
    number = api(alone, "POST", "/api/mappings", over)["id"]
    page = unescape(guest.text("/ui/mappings"))
    places = re.findall(r'id="rule-(\d+)"', page)
    place = places.index(str(wall)) + 1
    assert f"While its conditions hold it takes names of rule {place} (secret), which never leave" in page
    assert "no next target to go to; add one by Edit." in page
    assert "pointsman mapping update" not in page
    one = api(alone, "POST", "/api/mappings", {"model_pattern": "seldom", "conditions": ["images"], **to})[
        "id"
    ]
    api(alone, "DELETE", f"/api/mappings/{rules['*']}")
    told = guest.post("/ui/mappings/explain", {"dry": "seldom"}, hx_request="true").body.decode()
    assert "takes it when:" in told
    assert "what meets none of them gets a 404" in told
    body = {"model": "seldom", "messages": [{"role": "user", "content": "hi"}]}
    told = guest.post("/ui/mappings/explain", {"dry": json.dumps(body)}, hx_request="true").body.decode()
    assert "No rule of these takes it, so it gets a 404." in told
    assert f"rule {one} when" not in told
    put = re.search(rf'value="({wall} before {number})">Move {place} above<', page)
    assert put is not None
    page = unescape(guest.follow("/ui/mappings/move", {"put": put[1]}).body.decode())
    assert "which never leave" not in page
    assert page.index(f'id="rule-{wall}"') < page.index(f'id="rule-{number}"')


def test_hostile_names_are_text_everywhere(alone: Gateway, guest: Visitor, rules: dict[str, int]) -> None:
    body = {
        "model_pattern": HOSTILE,
        "backend_type": "local",
        "backend_model": HOSTILE,
        "presets": {"system": HOSTILE},
    }
    number = api(alone, "POST", "/api/mappings", body)["id"]
    api(alone, "POST", "/api/mappings", body | {"backend_name": "practice"})
    pasted = guest.post("/ui/mappings/explain", {"dry": HOSTILE}).body.decode()
    for page in (guest.text("/ui/mappings"), guest.text(f"/ui/mappings?edit={number}"), pasted):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_a_pasted_request_is_explained_and_a_key_in_it_is_not_shown(
    guest: Visitor, rules: dict[str, int]
) -> None:
    body = json.dumps({"model": "alpha", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]})
    curl = f"curl https://h/v1/messages -H 'x-api-key: sk-ant-hidden' -d '{body}'"
    page = guest.post("/ui/mappings/explain", {"dry": body}, hx_request="true").body.decode()
    assert "<html" not in page
    assert "Posted to <code>/v1/chat/completions</code>, by what is in it" in page
    assert "local/practice" in page
    page = guest.post("/ui/mappings/explain", {"dry": curl}, hx_request="true").body.decode()
    assert "Posted to <code>/v1/messages</code>." in page
    assert "sk-ant-hidden" not in page
    assert "neither" in guest.post("/ui/mappings/explain", {"dry": "a\nb"}).body.decode()


def test_without_a_rule_the_page_says_what_holds(
    alone: Gateway, guest: Visitor, rules: dict[str, int]
) -> None:
    for number in rules.values():
        guest.follow("/ui/mappings/delete", {"rule": str(number)})
    assert "No rule. A model goes to the local server that lists it." in guest.text("/ui/mappings")


def test_a_locked_database_is_said_and_nothing_is_lost(
    alone: Gateway, guest: Visitor, rules: dict[str, int]
) -> None:
    lock = sqlite3.connect(alone.data_dir / "pointsman.db", isolation_level=None)
    try:
        lock.execute("BEGIN IMMEDIATE")
        answer = guest.post("/ui/mappings", FORM, hx_request="true")
        page = answer.body.decode()
        assert answer.status == 503, page
        assert "locked by another process" in page
        assert "What you typed is kept." in page
        assert answer.header("hx-retarget") == "#notice"
        assert shown(guest.text("/ui/mappings")) == ["alpha", "beta-*", "*"], (
            "what there is is shown all the same"
        )
    finally:
        lock.execute("ROLLBACK")
        lock.close()


# -- in a browser


def names(page: Page) -> list[str]:
    found: list[str] = page.locator("#rules > [data-rule]").evaluate_all(
        "all => all.map(one => one.dataset.name)"
    )
    return found


def moved(page: Page, text: str) -> None:
    page.wait_for_function("text => document.querySelector('#said')?.textContent.includes(text)", arg=text)


def test_a_card_stays_small_for_there_are_hundreds(guest: Visitor, rules: dict[str, int]) -> None:
    cards = re.findall(r'<li class="card.*?</li>', guest.text("/ui/mappings"), re.DOTALL)
    assert len(cards) == len(rules)
    for card in cards:
        assert card.count("</") <= 20, "elements"
        assert len(card) < 1200, "bytes"
        assert "hx-" not in card, "htmx looks after none of them"
        assert card.count("<use") <= 2, "pictures: what its one target is like, and where it is"


def test_a_backend_that_is_lacking_is_added_from_the_card(
    guest: Visitor, alone: Gateway, rules: dict[str, int]
) -> None:
    lacking = {"model_pattern": "lacking", "backend_type": "openai", "backend_name": "work"}
    made = api(alone, "POST", "/api/mappings", lacking)
    card = re.search(rf'id="rule-{made["id"]}".*?</li>', guest.text("/ui/mappings"), re.DOTALL)
    assert card is not None
    there = re.search(r'href="(/ui/backends[^"]*)">Open Backends', card[0])
    assert there is not None, card[0]
    assert guest.get(unescape(there[1])).status == 200


def test_cards_that_say_nothing_new_are_not_sent_again(
    guest: Visitor, alone: Gateway, rules: dict[str, int]
) -> None:
    asked = re.search(r'hx-get="(/ui/mappings/cards\?had=[0-9a-f]+\.[0-9a-f]+)"', guest.text("/ui/mappings"))
    assert asked is not None
    assert guest.get(asked[1]).status == 204
    api(alone, "POST", "/api/keys", {"name": "a change that no card tells of"})
    assert guest.get(asked[1]).status == 204
    guest.follow("/ui/mappings/switch", {"off": str(rules["alpha"])})
    assert "off-rule" in guest.text(asked[1])


def test_rules_are_dragged_and_stay_where_they_are(
    windows: Windows, alone: Gateway, rules: dict[str, int]
) -> None:
    page = windows.open(alone)
    page.goto("/ui/mappings")
    grip = page.locator(f"#grip-{rules['*']}").bounding_box()
    first = page.locator(f"#rule-{rules['alpha']}").bounding_box()
    assert grip is not None
    assert first is not None
    page.mouse.move(grip["x"] + 8, grip["y"] + 8)
    page.mouse.down()
    page.mouse.move(grip["x"] + 8, first["y"] + first["height"] - 4, steps=6)
    page.mouse.move(grip["x"] + 8, first["y"] + 4, steps=4)
    page.mouse.up()
    moved(page, "Moved * above alpha.")
    assert names(page) == order(alone) == ["*", "alpha", "beta-*"]
    page.reload()
    assert names(page) == ["*", "alpha", "beta-*"]
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Move above 1").first.click()
    moved(page, "Moved alpha above *.")
    page.keyboard.press("z")
    moved(page, "Undone")
    assert names(page) == ["*", "alpha", "beta-*"]


def test_rules_are_moved_by_keys_and_each_step_is_spoken(
    windows: Windows, alone: Gateway, rules: dict[str, int]
) -> None:
    page = windows.open(alone)
    page.goto("/ui/mappings")
    spoken = page.locator("#spoken")
    page.locator(f"#grip-{rules['*']}").focus()
    page.keyboard.press("Space")
    assert "*, position 3 of 3. Picked up." in spoken.inner_text()
    page.keyboard.press("ArrowUp")
    assert spoken.inner_text() == "*, position 2 of 3"
    page.keyboard.press("Escape")
    assert "Put back" in spoken.inner_text()
    assert names(page) == order(alone) == ["alpha", "beta-*", "*"]
    for key in ("Space", "ArrowUp", "ArrowUp", "Space"):
        page.keyboard.press(key)
    moved(page, "Moved * above alpha.")
    assert order(alone) == ["*", "alpha", "beta-*"]
    page.wait_for_function("id => document.activeElement.id === id", arg=f"grip-{rules['*']}")
    page.keyboard.press("Alt+ArrowDown")
    moved(page, "Moved * above beta-*.")
    assert order(alone) == ["alpha", "*", "beta-*"]


def test_a_rules_menu_opens_by_keys_and_closes_with_escape(
    windows: Windows, alone: Gateway, rules: dict[str, int]
) -> None:
    page = windows.open(alone, width=375)
    page.goto("/ui/mappings")
    page.locator(f"#menu-{rules['alpha']}").focus()
    page.keyboard.press("Enter")
    down = page.get_by_role("button", name="Move down")
    down.wait_for()
    assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth"), "it fits a phone"
    page.keyboard.press("Escape")
    down.wait_for(state="hidden")
    page.get_by_label("More for rule 1, alpha").press("Enter")
    page.get_by_label("Move to").fill("3")
    page.get_by_role("button", name="Move", exact=True).click()
    moved(page, "Moved alpha below *.")
    assert order(alone) == ["beta-*", "*", "alpha"]


def test_a_rule_is_edited_in_place_while_another_is_added_elsewhere(
    windows: Windows, alone: Gateway, rules: dict[str, int]
) -> None:
    page = windows.open(alone)
    page.goto("/ui/mappings")
    page.wait_for_function("() => document.querySelector('[data-live-state]').dataset.liveState === 'on'")
    page.locator(f"#grip-{rules['alpha']}").focus()
    page.keyboard.press("e")
    field = page.locator(f"#pattern-{rules['alpha']}")
    field.fill("alpha-2")
    to = {"backend_type": "local", "backend_name": "practice"}
    api(alone, "POST", "/api/mappings", {"model_pattern": "from-elsewhere", **to})
    page.locator("#newer").wait_for(state="visible")
    assert field.input_value() == "alpha-2", "what is typed stays"
    page.get_by_role("button", name="Save").click()
    moved(page, "Saved alpha-2.")
    assert "from-elsewhere" in names(page)
    api(alone, "POST", "/api/mappings", {"model_pattern": "live", **to})
    page.locator('[data-name="live"]').wait_for()
    page.locator("#dry").fill("alpha-2")
    page.get_by_role("button", name="Explain").click()
    page.locator("#rules > .hit[data-name='alpha-2']").wait_for()


def test_an_order_outlives_a_restart(alone: Gateway, rules: dict[str, int]) -> None:
    api(alone, "POST", f"/api/mappings/{rules['*']}/move", {"before": rules["alpha"]})
    alone.stop()
    alone.start()
    guest = Visitor(alone.url, alone.admin_token)
    assert shown(guest.text("/ui/mappings")) == ["*", "alpha", "beta-*"]
    guest.close()
