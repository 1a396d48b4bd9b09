"""Two models side by side through the gateway's own front door; Stop closes the backend's connection and proves it;
whatever a model says is text, also 12 MB of it. The gateway asks its clients for keys, and has none for the playground."""

from __future__ import annotations

import json
import os
import re
import struct
import time
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pointsman.practice import STALL, Pause, Received, Reply, ScriptedUpstream
from tests.e2e.gateway import Gateway, wait_until
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import sse

from .visitor import Visitor

if TYPE_CHECKING:
    from .windows import Windows

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
HUGE = 12_000_000


def said(text: str, *more: Any) -> Reply:
    pieces = [text[at : at + 50_000] for at in range(0, len(text), 50_000)]
    events = [sse(chat.headed(chat.delta(content=piece))) for piece in pieces]
    return Reply.sse(*events, *(more or (sse(chat.headed(chat.delta("stop"))), chat.DONE)))


def answer(received: Received) -> Reply:
    model = received.json()["model"] if received.method == "POST" else ""
    if model == "slow":
        return said("I begin", STALL)
    if model == "evil":
        thought = sse(chat.headed(chat.delta(reasoning_content=EVIL)))
        return Reply.sse(thought, *(said(EVIL).parts or ()))
    if model == "huge":
        return said("x" * HUGE)
    if model == "late":
        return Reply(200, before=(Pause(30),))
    if model == "bad":
        return Reply(500, {"content-type": "application/json"}, body=chat.error(EVIL))
    return said("Fast and done.")


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        server.always(answer)
        yield server


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[Gateway]:
    """Every request needs a client key; the pages have their own."""
    with Gateway(tmp_path_factory.mktemp("playground")) as running:
        backend = running.backend("local", upstream.url, dialects=["openai_chat"])
        for name in ("slow", "fast", "evil", "huge", "late", "bad"):
            running.rule(name, f"{backend}={name}")
        running.api("POST", "/api/keys", {"name": "somebody"})
        yield running


@pytest.fixture(scope="module")
def guest(keyed: Gateway) -> Iterator[Visitor]:
    made = Visitor(keyed.url, keyed.admin_token)
    yield made
    made.close()


def fields(guest: Visitor, **more: str) -> dict[str, str]:
    found = re.search(r'name="visit" value="([0-9a-f]+)"', guest.text("/ui/playground"))
    assert found is not None
    return {"visit": found[1], "prompt": "Hello", "model1": "fast", **more}


def latest(upstream: ScriptedUpstream, model: str) -> Received | None:
    """The newest request for a model."""
    found = (
        one for one in reversed(upstream.requests) if one.method == "POST" and one.json()["model"] == model
    )
    return next(found, None)


def streamed(guest: Visitor, **more: str) -> list[tuple[str, Any]]:
    """What a script is told of one column."""
    answer = guest.post("/ui/playground", fields(guest, column="1", **more))
    assert answer.status == 200, answer.body[-600:]
    events = [one.split("\n", 1) for one in answer.body.decode().strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in events]


@pytest.mark.parametrize("protocol", ["openai_chat", "openai_responses", "anthropic_messages"])
def test_every_protocol_is_asked_counted_and_read(keyed: Gateway, guest: Visitor, protocol: str) -> None:
    events = streamed(guest, protocol=protocol)
    names = [name for name, _ in events]
    assert (names[0], names[1], names[-1]) == ("sent", "head", "facts")
    text = "".join(part[3] for name, value in events if name == "parts" for part in value)
    assert text == "Fast and done."
    assert "Fast and done." in "".join(value for name, value in events if name == "wire").replace('"}', "")
    (row,) = keyed.api("GET", "/api/usage?limit=1")
    assert (row["client"], row["protocol"], row["key_id"]) == ("playground", protocol, None)
    assert row["request"] in events[-1][1]


def test_the_pages_own_key_is_nowhere_to_be_seen(guest: Visitor) -> None:
    everything = json.dumps(streamed(guest))
    assert "authorization" not in everything
    assert not re.search(r"pm-[A-Za-z0-9_-]{20}", everything)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"model1": "nobody"}, "nobody"),
        ({"model1": "bad"}, "&lt;script&gt;"),
        ({"model1": "practice:cut"}, ""),
    ],
    ids=str,
)
def test_a_failure_is_said_with_its_words_as_text(guest: Visitor, more: dict[str, str], word: str) -> None:
    events = streamed(guest, **more)
    assert any(name == "error" for name, _ in events)
    facts = events[-1][1]
    assert "<b>Failed:</b>" in facts
    assert word in facts
    assert "<script>" not in facts


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"prompt": ""}, 422),
        ({"tools": "{"}, 422),
        ({"column": "7"}, 422),
        ({"visit": "x"}, 422),
        ({"model1": ""}, 422),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_said_where_it_is_typed(
    guest: Visitor, more: dict[str, str], status: int
) -> None:
    answer = guest.post("/ui/playground", fields(guest, column="1") | more, hx_request="true")
    assert answer.status == status
    assert b'id="said"' in answer.body


def test_without_a_script_both_whole_answers_come_with_the_page(guest: Visitor) -> None:
    answer = guest.post("/ui/playground", fields(guest, model1="evil", model2="fast"))
    page = answer.body.decode()
    assert answer.status == 200
    assert "Fast and done." in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_it_is_explained_without_being_sent(guest: Visitor, upstream: ScriptedUpstream) -> None:
    before = len(upstream.requests)
    asked = fields(guest, model1="fast", model2="nobody", protocol="anthropic_messages", explain="1")
    column = guest.post("/ui/playground", asked | {"column": "1"}).body.decode()
    assert "Translated to openai_chat" in column
    assert "would be asked first" in column
    page = guest.post("/ui/playground", asked).body.decode()
    assert "Translated to openai_chat" in page
    assert "It would be refused" in page
    assert [one for one in upstream.requests[before:] if one.method == "POST"] == []


def test_nothing_can_be_stopped_that_does_not_run(guest: Visitor) -> None:
    assert guest.post("/ui/playground/stop", fields(guest, column="1")).status == 404


@pytest.mark.parametrize("spoken", ["Chat Completions", "Messages"])
def test_two_models_stream_side_by_side_and_stopping_one_proves_that_its_backend_was_left(
    keyed: Gateway, upstream: ScriptedUpstream, windows: Windows, spoken: str
) -> None:
    """As it is, and translated."""
    page = windows.open(keyed)
    page.goto("/ui/playground?model=slow")
    page.get_by_label("Asked in").select_option(spoken)
    page.get_by_label("Model of column 2").fill("fast")
    page.get_by_label("What you ask").fill("Hello")
    page.keyboard.press("Control+Enter")
    slow, fast = page.locator("[data-column='1']"), page.locator("[data-column='2']")
    slow.locator(".answer").get_by_text("I begin").wait_for()
    fast.locator(".answer").get_by_text("Fast and done.").wait_for()
    fast.locator("dl.facts").wait_for()
    stopped = time.monotonic()
    slow.get_by_role("button", name="Stop").click()
    slow.locator("[data-proof]").wait_for()
    told = re.search(r"closed after (\d+) ms", slow.locator("[data-proof]").inner_text())
    assert told is not None
    asked = latest(upstream, "slow")
    assert asked is not None
    closed = upstream.wait_closed(asked)
    assert stopped - 1 < closed < stopped + 5  # the backend itself saw its client leave
    assert int(told[1]) < 5000
    assert slow.locator("[data-wire]").text_content() is not None


def test_what_has_said_nothing_yet_is_stopped_too(
    keyed: Gateway, upstream: ScriptedUpstream, windows: Windows
) -> None:
    page = windows.open(keyed)
    page.goto("/ui/playground?model=late")
    page.get_by_label("What you ask").fill("Hello")
    page.get_by_role("button", name="Ask").click()
    wait_until("it is asked", lambda: latest(upstream, "late"))
    page.locator("[data-column='1']").get_by_role("button", name="Stop").click()
    page.locator("[data-column='1'] [data-proof]").wait_for()


def test_a_backend_whose_answer_goes_on_for_a_resend_is_not_said_to_be_left(
    keyed: Gateway, upstream: ScriptedUpstream, windows: Windows
) -> None:
    joining = keyed.backend("local", upstream.url, dialects=["openai_chat"], join_resends=True)
    keyed.rule("joined", f"{joining}=slow")
    page = windows.open(keyed)
    page.goto("/ui/playground?model=joined")
    page.get_by_label("What you ask").fill("Hello")
    page.get_by_role("button", name="Ask").click()
    column = page.locator("[data-column='1']")
    column.locator(".answer").get_by_text("I begin").wait_for()
    column.get_by_role("button", name="Stop").click()
    column.get_by_text("so that the same request can join it").wait_for()
    assert column.locator("[data-proof]").count() == 0


def test_a_page_that_is_left_leaves_its_backend(
    keyed: Gateway, upstream: ScriptedUpstream, windows: Windows
) -> None:
    page = windows.open(keyed)
    page.goto("/ui/playground?model=slow")
    page.get_by_label("What you ask").fill("Hello")
    page.get_by_role("button", name="Ask").click()
    page.locator(".answer").get_by_text("I begin").wait_for()
    asked = latest(upstream, "slow")
    assert asked is not None
    page.goto("/ui/connect")
    upstream.wait_closed(asked)


def test_a_models_html_is_text_and_twelve_megabytes_of_it_freeze_nothing(
    keyed: Gateway, windows: Windows
) -> None:
    page = windows.open(keyed)
    page.goto("/ui/playground?model=evil")
    page.get_by_label("Model of column 2").fill("huge")
    page.get_by_label("What you ask").fill("Hello")
    page.get_by_role("button", name="Ask").click()
    page.locator("[data-column='1'] dl.facts").wait_for()
    assert page.locator("[data-column='1'] .part.thinking .text").inner_text() == EVIL
    assert page.locator("[data-column='1'] .answer > .text").inner_text() == EVIL
    assert page.locator(".answer script, .answer img").count() == 0
    huge = page.locator("[data-column='2']")
    huge.get_by_text(f"of {HUGE:,} characters are shown").wait_for(timeout=60_000)
    huge.locator("dl.facts").wait_for(timeout=60_000)
    assert page.evaluate("document.querySelector(\"[data-column='2']\").textContent.length") < 600_000
    with page.expect_download() as saving:
        huge.get_by_role("button", name="Download all of it").click()
    assert saving.value.path().stat().st_size == HUGE


def noise(edge: int) -> bytes:
    """A PNG that no compression makes smaller."""
    rows = b"".join(b"\0" + os.urandom(edge * 3) for _ in range(edge))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 0)),
        (b"IEND", b""),
    ]
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_a_large_picture_is_made_smaller_and_arrives(
    keyed: Gateway, upstream: ScriptedUpstream, windows: Windows
) -> None:
    page = windows.open(keyed)
    page.goto("/ui/playground?model=fast")
    page.get_by_label("Pictures").set_input_files(
        {"name": "noise.png", "mimeType": "image/png", "buffer": noise(900)}  # 2.4 MB
    )
    page.locator("#shots img").wait_for()
    page.get_by_label("What you ask").fill("What is it?")
    page.get_by_role("button", name="Ask").click()
    page.locator("[data-column='1'] dl.facts").wait_for()
    asked = latest(upstream, "fast")
    assert asked is not None
    picture = asked.json()["messages"][0]["content"][1]["image_url"]["url"]
    assert picture.startswith("data:image/jpeg;base64,")
    assert len(picture) < 240_000
