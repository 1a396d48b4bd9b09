"""Requests: what runs and what ran, by filter; an open row with its attempts; cancelling; every text of a stranger as text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from pointsman.admin.web.words import size
from pointsman.practice import Reply
from tests.e2e.gateway import Gateway, wait_until
from tests.e2e.replies import CUT, JSON, STALL, begins
from tests.e2e.web import post_bytes, raw
from tests.e2e.wires import CHAT
from tests.translation.test_stuck import body, look

from .accessible import assert_accessible, assert_fits
from .strange import STRANGE, alien_tags, fill, strange_records
from .visitor import Visitor

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

    from .windows import Windows

BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
PATH = "/v1/chat/completions"
Upstreams = Callable[..., "ScriptedUpstream"]


def ids(page: str) -> list[str]:
    return re.findall(r'data-id="([^"]+)"', page)


def words(page: str) -> str:
    """What is read of it."""
    return re.sub(r" ([.,;])", r"\1", " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split()))


def ask(gateway: Gateway, model: str, **more: Any) -> str:
    """One request, up to its record; its id."""
    answer = gateway.fetch("POST", PATH, BODY | {"model": model} | more)
    name = answer.header("x-request-id")
    assert name is not None
    wait_until("it is recorded", lambda: gateway.api("GET", f"/api/usage?request={name}"))
    return name


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that has strange records, and of its own: what is added here is on no other test's page."""
    folder = tmp_path_factory.mktemp("requests") / "data"
    fill(folder, strange_records(130))
    with Gateway(folder) as running:
        yield running


@pytest.fixture(scope="module")
def visitor(gateway: Gateway) -> Iterator[Visitor]:
    made = Visitor(gateway.url, gateway.admin_token)
    yield made
    made.close()


def test_a_strangers_texts_are_text_in_rows_details_filters_and_chips(
    gateway: Gateway, visitor: Visitor
) -> None:
    page = visitor.text("/ui/requests")
    assert len(ids(page)) == 50
    assert alien_tags(page) == []
    for name in ids(page)[: len(STRANGE) * 2]:
        detail = visitor.text(f"/ui/requests/{name}", hx_request="true")
        assert alien_tags(detail) == []
    for text in STRANGE:
        query = urlencode({"text": text[:200], "model": text, "client": text, "session": text}).replace(
            "%0D", ""
        )
        assert alien_tags(visitor.text(f"/ui/requests?{query}")) == []


def test_cells_of_its_csv_are_no_formulas_and_are_all_that_pass(gateway: Gateway, visitor: Visitor) -> None:
    answer = visitor.get("/ui/requests.csv?state=failed")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    assert {row["outcome"] for row in rows} == {"error"}
    assert len(rows) == gateway.api("GET", "/api/usage/totals?failed=true")["requests"] > 20
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "@", "\t", "+"))]


def test_older_pages_have_each_request_once(visitor: Visitor) -> None:
    found: list[str] = []
    path = "/ui/requests"
    while path:
        page = visitor.text(path)
        found += ids(page)
        older = re.search(r'id="older" href="([^"]+)"', page)
        path = unescape(older[1]) if older else ""
    assert len(found) == len(set(found)) == 130


@pytest.mark.parametrize(
    ("query", "outcomes"),
    [
        ("state=failed", {"error"}),
        ("state=rescued", {"ok"}),
        ("text=aborted", {"aborted"}),
        ("text=CLIENT+slower+than+900+ms", set()),
        ("outcome=ok&outcome=aborted", {"ok", "aborted"}),
    ],
)
def test_a_filter_stands_in_the_address_and_binds_rows_and_csv_alike(
    gateway: Gateway, visitor: Visitor, query: str, outcomes: set[str]
) -> None:
    shown = ids(visitor.text(f"/ui/requests?{query}"))
    assert shown == ids(visitor.text(f"/ui/requests/rows?{query}"))
    listed = list(
        csv.DictReader(io.StringIO(visitor.get(f"/ui/requests.csv?{query}").body.decode(), newline=""))
    )
    assert [row["id"] for row in listed][:50] == shown
    assert {row["outcome"] for row in listed} == outcomes


@pytest.mark.parametrize("query", ["slower_ms=x", "cursor=zz", "state=odd", "last=2y", "key_id=0"])
def test_what_is_no_filter_is_said_on_a_page(visitor: Visitor, query: str) -> None:
    answer = visitor.get(f"/ui/requests?{query}")
    assert answer.status == 422
    assert "text/html" in (answer.header("content-type") or "")


def test_a_filter_that_nothing_passes_says_so_and_how_to_clear_it(visitor: Visitor) -> None:
    assert "Nothing matches. Clear the filter" in words(visitor.text("/ui/requests?text=nobody-says-this"))


def test_a_request_that_is_not_there_is_said(visitor: Visitor) -> None:
    answer = visitor.get("/ui/requests/req_nobody")
    assert answer.status == 404
    assert b"No request with this id is recorded" in answer.body
    assert visitor.get("/ui/requests/req_nobody", hx_request="true").status == 404


def test_an_open_row_tells_of_each_attempt_and_of_what_was_lost(
    gateway: Gateway, visitor: Visitor, upstream: Upstreams
) -> None:
    bad = upstream()
    bad.always(Reply(500, JSON, body=b'{"error":{"message":"boom"}}'))
    model, backends = gateway.route("openai", bad.url)
    gateway.rule(f"{model}-x", backends[0], "local/practice=practice")
    name = ask(gateway, f"{model}-x", stream=True)
    said = words(visitor.text(f"/ui/requests/{name}", hx_request="true"))
    assert f"Rescued: {backends[0]} had an error, local/practice answered." in said
    assert "It had an error, status 500." in said
    assert "First output after" in said
    assert "of them were Pointsman's own." in said
    assert f"{model}-x" in said
    for one in gateway.api("GET", f"/api/usage?request={name}"):
        assert f"{one['target'].partition(':')[2]}, {size(one['sent_bytes'])} sent" in said
    page = visitor.text(f"/ui/requests/{name}")  # the same as a page of its own, and open
    assert ids(page) == [name]
    assert "had an error, local/practice answered." in words(page)
    assert "authorization" not in page


def test_a_conversation_that_was_handed_over_says_so_in_the_open_row(
    gateway: Gateway, visitor: Visitor, upstream: Upstreams
) -> None:
    """Nobody was asked before: the line of time began with the next target, and did not say why."""
    small = upstream()
    model, backends = gateway.route("local", small.url)
    gateway.rule(f"{model}-x", backends[0], "local/practice=practice", fallback_on=["stuck"])
    turns = body("openai_chat", [look()] * 3)
    name = ask(gateway, f"{model}-x", messages=turns["messages"], tools=turns["tools"])
    said = words(visitor.text(f"/ui/requests/{name}", hx_request="true"))
    assert "local/practice answered after another did not get on" in said
    assert "Asked because another did not get on." in said
    assert not [one for one in small.requests if one.method == "POST"]


def test_what_is_no_success_never_looks_like_one(
    gateway: Gateway, visitor: Visitor, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(lambda _: begins(CHAT, CUT, text="some"))
    model, _ = gateway.route("openai", server.url)
    ask(gateway, model, stream=True)
    (row,) = re.findall(
        r'<tr role="row" id="r-.*?</tr>', visitor.text(f"/ui/requests?model={model}"), re.DOTALL
    )
    assert "broke off" in words(row)
    assert "#m-bad" in row
    assert "#m-ok" not in row


def test_a_request_that_runs_is_cancelled_from_the_page(
    gateway: Gateway, visitor: Visitor, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(lambda _: begins(CHAT, STALL, text="some"))
    model, _ = gateway.route("openai", server.url)
    with raw(gateway.url) as client:
        body = json.dumps(BODY | {"model": model, "stream": True}).encode()
        client.send(post_bytes(PATH, body, gateway.host))
        page = wait_until(
            "it runs",
            lambda: (
                (p := visitor.text(f"/ui/requests/running?model={model}")) and "running" in words(p) and p
            ),
        )
        (name,) = ids(page)
        assert ids(visitor.text(f"/ui/requests?model={model}")) == [name]
        assert ids(visitor.text(f"/ui/requests/running?model={model}&state=failed")) == []
        said = visitor.follow(f"/ui/requests/{name}/cancel", {"back": f"/ui/requests?model={model}"})
        assert f"Cancelled {name}." in words(said.body.decode())
        assert b"cancelled this request" in client.answer().body
    server.wait_closed(server.requests[-1], 5.0)
    wait_until("it is recorded", lambda: gateway.api("GET", f"/api/usage?request={name}"))
    page = visitor.text(f"/ui/requests?model={model}")
    assert "cancelled" in words(page)
    assert "operator cancelled it" in words(visitor.text(f"/ui/requests/{name}", hx_request="true"))
    again = visitor.post(f"/ui/requests/{name}/cancel", {"back": "/ui/requests"})
    assert again.status == 404
    assert "It may just have ended." in words(again.body.decode())


def test_a_cancelled_request_goes_back_to_this_page_alone(
    gateway: Gateway, visitor: Visitor, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(lambda _: begins(CHAT, STALL, text="some"))
    model, _ = gateway.route("openai", server.url)
    with raw(gateway.url) as client:
        client.send(
            post_bytes(PATH, json.dumps(BODY | {"model": model, "stream": True}).encode(), gateway.host)
        )
        name = wait_until("it runs", lambda: ids(visitor.text(f"/ui/requests/running?model={model}")))[0]
        answer = visitor.post(f"/ui/requests/{name}/cancel", {"back": "https://evil.example/"})
    assert answer.header("location") == "/ui/requests"


def test_bodies_that_were_kept_are_shown_up_to_a_size_and_downloaded(
    gateway: Gateway, visitor: Visitor
) -> None:
    rule = gateway.rule(gateway.fresh(), "local/practice=practice")
    gateway.api(
        "POST",
        "/api/captures",
        {"mapping_id": rule["id"], "minutes": 5, "most_bytes": 1024 * 1024},
        status=201,
    )
    text = "<b>so it is</b> " + "so " * 100_000
    messages = [{"role": "user", "content": text}]
    name = ask(gateway, rule["model_pattern"], messages=messages)
    page = wait_until(
        "they are kept",
        lambda: (
            (p := visitor.text(f"/ui/requests/{name}", hx_request="true")) and "What was asked" in p and p
        ),
    )
    assert alien_tags(page) == []
    assert "<b>so it is</b>" not in page
    assert "The first 256 KB are shown." in words(page)
    assert len(page) < 300_000 + 20_000
    got = visitor.get(f"/ui/requests/{name}/asked.txt")
    assert got.header("content-disposition") == 'attachment; filename="asked.txt"'
    assert got.body.count(b"so ") >= 100_000
    assert "text/plain" in (got.header("content-type") or "")
    assert visitor.get(f"/ui/requests/{quote('req_nobody')}/asked.txt").status == 404


# -- in a browser


def test_a_rescue_appears_live_and_waits_while_the_table_is_used(
    gateway: Gateway, windows: Windows, upstream: Upstreams
) -> None:
    bad = upstream()
    bad.always(Reply(500, JSON, body=b'{"error":{"message":"boom"}}'))
    model, backends = gateway.route("openai", bad.url)
    rescued = f"{model}-x"
    gateway.rule(rescued, backends[0], "local/practice=practice")
    page = windows.open(gateway)
    page.goto(f"/ui/requests?model={rescued}")
    page.get_by_text("Nothing matches.").wait_for()
    page.locator("[data-live-state=on]").first.wait_for()
    first = ask(gateway, rescued)
    row = page.locator(f"#r-{first}")
    row.get_by_text("rescued", exact=True).wait_for()
    row.locator("a").click()
    detail = page.locator(f"#d-{first}")
    detail.get_by_text("local/practice answered").wait_for()
    assert f"open={first}" in page.url
    ask(gateway, model)  # passes no filter here
    second = ask(gateway, rescued)
    button = page.locator("#newer")
    button.get_by_text("1 new request. Show it").wait_for()  # the pointer and the focus are in the table
    assert page.locator(f"#r-{second}").count() == 0
    page.keyboard.press("n")
    page.locator(f"#r-{second}").wait_for()
    assert detail.is_visible()
    assert row.get_attribute("class") == "open"
    assert page.locator("#rows > [data-row]").count() == 2
    page.reload()
    page.locator(f"#d-{first}").get_by_text("local/practice answered").wait_for()


def test_a_stream_is_cancelled_with_a_key(gateway: Gateway, windows: Windows, upstream: Upstreams) -> None:
    server = upstream()
    server.always(lambda _: begins(CHAT, STALL, text="some"))
    model, _ = gateway.route("openai", server.url)
    page = windows.open(gateway)
    with ExitStack() as stack:
        client = stack.enter_context(raw(gateway.url))
        client.send(
            post_bytes(PATH, json.dumps(BODY | {"model": model, "stream": True}).encode(), gateway.host)
        )
        page.goto(f"/ui/requests?model={model}")
        page.locator("#running").get_by_text("running", exact=True).wait_for()
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.get_by_text("Cancelled req_").wait_for()
        assert b"cancelled this request" in client.answer().body
    page.locator("#rows").get_by_text("cancelled", exact=True).wait_for()
    assert f"model={model}" in page.url
    server.wait_closed(server.requests[-1], 5.0)
    page.goto("/ui")  # where it was said to have failed
    page.locator("#troubles li", has_text=model).get_by_text("Cancelled:").wait_for()


def test_strange_rows_and_what_they_open_to_fit_a_phone_and_are_for_everybody(
    gateway: Gateway, visitor: Visitor, windows: Windows
) -> None:
    open_rows = urlencode([("open", name) for name in ids(visitor.text("/ui/requests"))[:4]])
    page = windows.open(gateway, width=375, height=800)
    page.goto(f"/ui/requests?text=&model={'x' * 512}&model=m&client=curl")
    assert_fits(page)
    page.goto(f"/ui/requests?{open_rows}")
    assert_fits(page)
    page.set_viewport_size({"width": 768, "height": 900})
    assert_fits(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    assert_accessible(page)


def test_live_can_be_off_and_words_filter_from_anywhere(gateway: Gateway, windows: Windows) -> None:
    page = windows.open(gateway)
    page.goto("/ui/requests")
    page.locator("[data-live-state=on]").first.wait_for()
    page.keyboard.press("l")
    assert page.locator("#live").get_attribute("aria-pressed") == "false"
    assert page.url.endswith("live=off")
    page.keyboard.press("/")
    word = gateway.fresh("nobody")
    page.keyboard.type(f"{word} slower than 2 s")
    page.keyboard.press("Enter")
    page.get_by_text("Nothing matches.").wait_for()
    assert f"text={word}" in page.url
    assert "last" not in page.url  # what is not chosen does not stand there
    assert page.locator("#text").input_value() == f"{word} slower than 2 s"
    page.locator("#last").select_option("24h")
    page.wait_for_url("**last=24h**")
