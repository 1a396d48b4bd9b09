"""Webhooks, captures and prices over the wire: what each form does, what is shown once, what another changed meanwhile."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.admin.control.receiver import Receiver
from tests.e2e.gateway import Gateway, wait_until
from tests.e2e.replies import either
from tests.e2e.wires import CHAT

from .visitor import Visitor

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

HOOKS, CAPTURES, PRICES = "/ui/settings/webhooks", "/ui/settings/captures", "/ui/settings/prices"
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def hook(gateway: Gateway, receiver: Receiver) -> Iterator[dict[str, Any]]:
    made = gateway.api("POST", "/api/webhooks", {"url": receiver.url, "on": ["budget"]})
    receiver.secret = made["secret"]
    yield made
    if any(one["id"] == made["id"] for one in gateway.api("GET", "/api/webhooks")):
        gateway.api("DELETE", f"/api/webhooks/{made['id']}")


def newest(gateway: Gateway) -> int:
    found: int = gateway.api("GET", "/api/audit?limit=1")[0]["id"]
    return found


def undone(gateway: Gateway, visitor: Visitor, page: str) -> None:
    """By the button of the notice on that page."""
    number = newest(gateway)
    assert f'action="/ui/undo/{number}"' in page
    visitor.follow(f"/ui/undo/{number}", {"back": "/ui/settings"})


def test_the_secret_of_a_webhook_is_shown_in_the_answer_that_adds_it_and_nowhere_else(
    gateway: Gateway, visitor: Visitor, receiver: Receiver
) -> None:
    answer = visitor.post(HOOKS, [("url", receiver.url), ("on", "budget"), ("on", "key")])
    text = answer.body.decode()
    secret = re.search(r"whsec_[\w+/=]+", text)
    (made,) = gateway.api("GET", "/api/webhooks")
    assert (answer.status, answer.header("hx-push-url")) == (200, f"{HOOKS}/{made['id']}")
    assert secret is not None
    assert made["on"] == ["budget", "key"]
    receiver.secret = secret[0]
    page = visitor.post(f"{HOOKS}/{made['id']}/test", {}).body.decode()
    assert "It took the event (status 204)." in page
    assert receiver.signed == [True]
    for path in (HOOKS, f"{HOOKS}/{made['id']}", "/ui/settings/audit"):
        assert secret[0] not in visitor.text(path)
    assert visitor.post(HOOKS, {"url": receiver.url}).status == 409
    assert visitor.post(f"{HOOKS}/{made['id']}/remove", {"typed": "yes"}).status == 422
    page = visitor.follow(
        f"{HOOKS}/{made['id']}/remove", {"typed": urlsplit(receiver.url).netloc}
    ).body.decode()
    assert "is told no more" in page
    assert "/ui/undo/" not in page
    assert gateway.api("GET", "/api/webhooks") == []


def test_where_events_will_go_is_said_before_it_is_saved(visitor: Visitor) -> None:
    text = visitor.text(f"{HOOKS}/goes?url=https%3A%2F%2FAlerts.Example%3A443%2Fx%3Fy")
    assert "<b>https://alerts.example</b> and nowhere else" in text
    assert "leaves this machine" in text
    assert "That is this machine." in visitor.text(f"{HOOKS}/goes?url=http%3A%2F%2F127.0.0.1%3A9%2F")
    for bad in ("http://8.8.8.8/", "https://169.254.169.254/", "ftp://x", HOSTILE):
        text = visitor.text(f"{HOOKS}/goes?url={html.escape(bad)}")
        assert "nowhere else" not in text
        assert "<script" not in text
        assert visitor.post(HOOKS, {"url": bad}, hx_request="true").status == 422


def test_a_webhook_is_edited_switched_off_and_on_again_by_undo(
    gateway: Gateway, visitor: Visitor, receiver: Receiver, hook: dict[str, Any]
) -> None:
    path = f"{HOOKS}/{hook['id']}"
    form = {"url": receiver.url + "&moved", "version": hook["version"]}
    page = visitor.follow(path, form).body.decode()
    assert "/ui/undo/" not in page, "its secret is sealed for the URL before"
    assert "told of everything" in re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page)).replace(
        "Told of", "told of"
    )
    assert gateway.api("POST", f"/api/webhooks/{hook['id']}/test")["ok"] is True
    assert receiver.signed == [True], "by the same secret"
    answer = visitor.post(path, {"url": receiver.url, "on": "key", "version": hook["version"]})
    assert answer.status == 409
    assert "Somebody else was first" in answer.body.decode()
    page = visitor.follow(f"{path}/switch", {"on": "0"}).body.decode()
    assert "is told of nothing now" in page
    assert gateway.api("GET", f"/api/webhooks/{hook['id']}")["enabled"] is False
    undone(gateway, visitor, page)
    assert gateway.api("GET", f"/api/webhooks/{hook['id']}")["enabled"] is True


def test_a_test_that_is_not_taken_says_why(
    visitor: Visitor, receiver: Receiver, hook: dict[str, Any]
) -> None:
    receiver.answers = [500]
    text = visitor.post(f"{HOOKS}/{hook['id']}/test", {}).body.decode()
    assert "It did not take the event: it answered with status 500" in text


def test_bodies_are_kept_listed_with_their_request_and_deleted(gateway: Gateway, visitor: Visitor) -> None:
    model = 'kept "><i>'
    rule = gateway.rule(model, "local/practice=practice")
    page = visitor.follow(
        CAPTURES, {"of": f"rule:{rule['id']}", "minutes": "15", "most_bytes": "64000"}
    ).body.decode()
    assert html.escape(model, quote=False) in page.replace("&#34;", '"')
    assert str(gateway.data_dir / "captured") in page
    (one,) = gateway.api("GET", "/api/captures")
    for number, said in enumerate(("first", "second"), 1):
        body = {"model": model, "messages": [{"role": "user", "content": said}]}
        name = gateway.fetch("POST", "/v1/chat/completions", body).header("x-request-id")
        wait_until("it is kept", lambda most=number: len(gateway.api("GET", "/api/captured")) == most)
        wait_until("it is recorded", lambda name=name: gateway.api("GET", f"/api/usage?request={name}"))
    page = visitor.text(CAPTURES)
    assert "Bodies of 2 requests" in page
    first, second = (row["request_id"] for row in gateway.api("GET", "/api/captured"))
    assert f'href="/ui/requests/{first}"' in page
    assert "first" in visitor.text(f"/ui/requests/{second}")
    visitor.follow(f"{CAPTURES}/kept/{first}/delete", {})
    assert [row["request_id"] for row in gateway.api("GET", "/api/captured")] == [second]
    assert visitor.post(f"{CAPTURES}/kept/{first}/delete", {}).status == 404
    page = visitor.follow(f"{CAPTURES}/{one['id']}/stop", {}).body.decode()
    assert gateway.api("GET", "/api/captures") == []
    undone(gateway, visitor, page)
    (again,) = gateway.api("GET", "/api/captures")
    assert (again["id"], again["until"]) == (one["id"], one["until"])
    assert "is deleted" in visitor.follow(f"{CAPTURES}/clear", {}).body.decode()
    assert gateway.api("GET", "/api/captured") == []
    gateway.api("DELETE", f"/api/captures/{one['id']}")
    gateway.api("DELETE", f"/api/mappings/{rule['id']}")


@pytest.mark.parametrize(
    "form",
    [{}, {"of": "key:0"}, {"of": f"rule:{HOSTILE}"}, {"of": "key:1", "minutes": "9999"}, {"of": "all:1"}],
)
def test_a_capture_that_cannot_be_is_refused_in_words(visitor: Visitor, form: dict[str, str]) -> None:
    answer = visitor.post(CAPTURES, form, hx_request="true")
    assert answer.status in (404, 422)
    assert b"<script" not in answer.body


def test_a_price_is_set_beside_the_list_changed_and_removed_with_undo(
    gateway: Gateway, visitor: Visitor
) -> None:
    text = visitor.text(f"{PRICES}?where=openai&model=gpt-5.4")
    listed = gateway.api("GET", "/api/prices?provider=openai&model=gpt-5.4")
    usual = next(one for one in listed if one["model"] == "gpt-5.4" and not one["tier"] and not one["above"])
    assert f'name="input" value="{usual["input"]:.10g}"' in text, "filled with what the list says"
    form = {"where": "openai", "model": "gpt-5.4", "input": "1.5", "output": "$9", "tier": "", "above": ""}
    page = visitor.follow(PRICES, form).body.decode()
    assert "yours: input $1.50, output $9.00" in page
    assert f"the list: input ${usual['input']:.2f}" in page
    assert "Look: the list also has a price for cached" in page
    (own,) = gateway.api("GET", "/api/prices?own=true")
    shown = visitor.text(f"{PRICES}/{own['id']}")
    version = re.search(r'name="version" value="(\w+)"', shown)
    assert version is not None
    assert version[1] == own["version"]
    gateway.api("POST", "/api/prices", {"where": "openai", "model": "gpt-5.4", "input": 3.0})
    answer = visitor.post(PRICES, form | {"input": "2", "version": version[1]})
    assert answer.status == 409
    assert "by the admin API" in re.sub(r"\s+", " ", answer.body.decode())
    page = visitor.follow(f"{PRICES}/{own['id']}/remove", {}).body.decode()
    assert gateway.api("GET", "/api/prices?own=true") == []
    undone(gateway, visitor, page)
    (again,) = gateway.api("GET", "/api/prices?own=true")
    assert (again["id"], again["input"]) == (own["id"], 3.0)
    visitor.follow(f"{PRICES}/{own['id']}/remove", {})
    assert visitor.post(PRICES, form | {"version": version[1]}).status == 409, "it is gone"
    for bad in ({"input": "much"}, {"above": "x"}, {"input": "-1"}, {"model": "a\u202eb"}):
        answer = visitor.post(PRICES, form | bad, hx_request="true")
        assert (answer.status, b"<script" in answer.body) == (422, False)


def test_what_local_answers_are_measured_by_is_set_and_undone(gateway: Gateway, visitor: Visitor) -> None:
    page = visitor.follow(f"{PRICES}/reference", {"target": "openai:gpt-5.4"}).body.decode()
    assert gateway.api("GET", "/api/price-reference")["target"] == "openai:gpt-5.4"
    undone(gateway, visitor, page)
    assert gateway.api("GET", "/api/price-reference")["target"] is None
    assert visitor.post(f"{PRICES}/reference", {"target": "nobody"}).status == 422


def test_an_unknown_cost_leads_to_the_form_with_the_model_filled_in(
    gateway: Gateway, visitor: Visitor, upstream: Callable[..., ScriptedUpstream]
) -> None:
    server = upstream()
    server.always(either(CHAT, "hi"))
    model, (backend,) = gateway.route("openai", server.url)
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    name = gateway.fetch("POST", "/v1/chat/completions", body).header("x-request-id")
    path = f"/ui/requests/{name}"
    wait_until("it is recorded", lambda: b"Set its price" in visitor.get(path).body)
    link = re.search(r'href="([^"]+)">Set its price', visitor.text(path))
    assert link is not None
    to = urlsplit(html.unescape(link[1]))
    assert parse_qs(to.query) == {"where": [backend], "model": [model]}
    text = visitor.text(f"{to.path}?{to.query}")
    assert f'value="{model}"' in text
    assert "The list says nothing of it." in text
    assert f"{to.path}?{to.query}".replace("&", "&amp;") in visitor.text(f"/ui/models?q={model}")
