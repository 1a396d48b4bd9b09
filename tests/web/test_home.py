"""Home: a sentence that is true, figures that are those of the command line, the way to a first answer, and strangers' texts
as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from pointsman.admin.control.backend_states import BackendShown, State
from pointsman.admin.store.usage_glance import Became
from pointsman.admin.web.minutes import HEIGHT, TOP, drawn
from pointsman.admin.web.sentence import in_order, verdict_of
from pointsman.admin.web.words import size
from pointsman.kinds import BackendType
from tests.e2e.gateway import Gateway, wait_until

from .strange import STRANGE, alien_tags, fill, strange_records
from .visitor import Visitor

if TYPE_CHECKING:
    from .windows import Windows

HELLO = {"model": "practice", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that has strange records."""
    folder = tmp_path_factory.mktemp("home") / "data"
    fill(folder, strange_records())
    with Gateway(folder) as running:
        yield running


@pytest.fixture(scope="module")
def guest(used: Gateway) -> Iterator[Visitor]:
    made = Visitor(used.url, used.admin_token)
    yield made
    made.close()


def state(key: str, state: State, **more: Any) -> BackendShown:
    kind, _, name = key.partition("/")
    fields: dict[str, Any] = dict.fromkeys(
        ("base_url", "origin", "leaves_machine", "engine", "engine_state", "max_in_flight", "last_success", "last_failure",
         "last_reason", "key_fingerprint", "keyed_at")
    )  # fmt: skip
    fields |= {
        "enabled": True,
        "found": False,
        "protocols": [],
        "tried": [],
        "in_flight": 0,
        "queued": 0,
        "rules": [],
    }
    return BackendShown(key=key, backend_type=BackendType(kind), name=name, state=state, **fields | more)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([], "No backend yet. The practice model answers."),
        ([state("openai", "works")], "The backend works."),
        ([state("openai", "works"), state("local/box", "asleep")], "All 2 backends work."),
        ([state("openai", "works"), state("local/box", "off")], "The backend works."),
        ([state("openai", "unknown")], "The backend has not been asked yet."),
        ([state("openai", "unknown"), state("local/box", "unknown")], "None of 2 backends has been asked yet."),
        ([state("openai", "works"), state("local/a", "unknown")], "1 of 2 backends works. The other has not been asked yet."),
        ([state("local/box", "down")], "local/box is down."),
        ([state("openai", "works"), state("local/a", "busy"), state("local/b", "down")],
         "2 of 3 backends work. local/b is down."),
        ([state("openai", "refused"), state("local/b", "failing"), state("local/c", "works")],
         "1 of 3 backends works. openai refuses its key, and one other does not work."),
        ([state("openai", "unusable"), state("local/b", "down"), state("local/c", "failing")],
         "None of 3 backends work. local/b is down, and 2 others do not work."),
    ],
)  # fmt: skip
def test_the_sentence_says_how_many_work_and_which_does_not(states: list[BackendShown], said: str) -> None:
    verdict = verdict_of(states)
    assert " ".join(part for part in (verdict.text, verdict.name, verdict.after) if part) == said
    if verdict.worst is not None:
        assert in_order(states)[0] == verdict.worst


def test_bars_add_up_to_what_was_counted_and_are_within_the_chart() -> None:
    minutes = [
        (29_000_000 + number, dict.fromkeys(Became, 0) | {Became.FIRST: number, Became.FAILED: number == 3})
        for number in range(60)
    ]
    hour = drawn(minutes, ZoneInfo("Asia/Kolkata"))
    assert hour.each == {"first": sum(range(60)), "rescued": 0, "failed": 1, "aborted": 0}
    assert all(bar.y >= TOP and bar.y + bar.height <= TOP + HEIGHT + 0.1 for bar in hour.bars)
    assert "1 failed" in hour.spoken
    first = datetime.fromtimestamp(29_000_000 * 60, ZoneInfo("Asia/Kolkata"))
    assert hour.ticks[0][1] == f"{first:%H:%M}"
    assert drawn([(1, dict.fromkeys(Became, 0))], ZoneInfo("UTC")).spoken.endswith("none.")


def test_strangers_texts_are_text(guest: Visitor) -> None:
    page = guest.text("/ui")
    assert alien_tags(page) == []
    shown = unescape(page)
    assert any(text in shown for text in STRANGE[:3])
    assert "49" not in re.findall(r"<span class=\"mono\">([^<]*)</span>", page)


def test_figures_are_those_of_the_command_line(used: Gateway, guest: Visitor) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = midnight.isoformat().replace("+00:00", "Z")
    totals = used.api("GET", f"/api/usage/totals?since={since}")
    left = used.api("GET", f"/api/usage/totals?since={since}&left_machine=true")
    page = guest.text("/ui", cookie="; ".join(["zone=UTC", *(f"{k}={v}" for k, v in guest.cookies.items())]))
    figures = re.findall(r"<a href=\"[^\"]*\"(?: class=\"wide\")?><span>([^<]+)</span><b>([^<]*)", page)
    found = {name: unescape(value) for name, value in figures}
    assert f"{totals['requests']:,} today" in page
    assert found["Rescued"] == f"{totals['rescued']:,}"
    assert found["Left this machine"] == f"{left['requests']:,}"
    assert f"{size(left['sent_bytes'])}, " in page
    assert f"{totals['failed'] - totals['aborted']:,} failed" in page
    assert f"{totals['local']:,} of {totals['requests']:,} requests" in page


def test_behind_each_figure_is_a_page(guest: Visitor) -> None:
    page = guest.text("/ui").partition('id="figures"')[2].partition("</main>")[0]
    links = [unescape(one) for one in re.findall(r'href="(/[^"]+)"', page)]
    assert len(links) > 8
    assert [one for one in links if guest.get(one).status != 200] == []


def test_what_failed_or_was_rescued_last_is_told_with_who_did_what(guest: Visitor) -> None:
    page = unescape(guest.text("/ui"))
    troubles = page.partition('id="troubles"')[2]
    assert troubles.count("<li>") == 4
    assert "Client left:" in troubles
    assert "the client left while" in troubles


def test_a_server_that_is_down_is_told_first_with_since_when_and_what_to_do(
    used: Gateway, guest: Visitor
) -> None:
    model, (name,) = used.route("local", "http://127.0.0.1:9")
    answer = used.fetch("POST", "/v1/chat/completions", HELLO | {"model": model})
    assert answer.status >= 500
    wait_until("it is told", lambda: f"{name}</span> is down." in guest.text("/ui/now"))
    page = guest.text("/ui")
    first = page.partition('class="backend')[2].partition("</div></div>")[0]
    assert name in first
    assert "Down since" in first
    assert "Start the server." in first
    assert "—" in first  # it has never answered
    used.api("DELETE", f"/api/mappings/{used.api('GET', '/api/mappings')[-1]['id']}")
    used.api("DELETE", f"/api/local/{name.partition('/')[2]}")


def test_the_first_request_turns_the_page_green_without_a_reload(own_gateway: Any, windows: Windows) -> None:
    gateway: Gateway = own_gateway()
    page = windows.open(gateway)
    page.goto("/ui")
    assert f"curl {gateway.url}/v1/chat/completions" in page.locator("#first-request").inner_text()
    page.get_by_text("Waiting for the first request").wait_for()
    assert gateway.fetch("POST", "/v1/chat/completions", HELLO).status == 200
    page.get_by_text("local/practice:practice answered in").wait_for()
    assert page.locator(".way-in .mark.ok").count() >= 2
    page.goto("/ui")
    page.get_by_text("Requests a minute, last hour").wait_for()
