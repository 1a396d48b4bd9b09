"""Signing in to the pages: what opens them, what does not, and that a write comes from the gateway's own pages."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pointsman.admin.control.auth import AdminToken
from pointsman.admin.control.sessions import CODE_SECONDS, IDLE_SECONDS, WRONG_A_MINUTE, Sessions
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind
from tests.e2e.gateway import Gateway, run_cli

from .visitor import Visitor

if TYPE_CHECKING:
    from pathlib import Path

    from .windows import Windows

ORIGIN = "http://127.0.0.1:4480"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def token(tmp_path: Path) -> AdminToken:
    tmp_path.chmod(0o700)
    return AdminToken.ensure(tmp_path)


@pytest.fixture
def sessions(tmp_path: Path, token: AdminToken, clock: Clock) -> Sessions:
    return Sessions(tmp_path, token, clock)


def test_a_session_outlives_a_restart_and_only_its_digest_is_kept(
    tmp_path: Path, sessions: Sessions, token: AdminToken, clock: Clock
) -> None:
    value = sessions.sign_in(token.reveal(), ORIGIN)
    kept = tmp_path / "sessions.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert value not in kept.read_text()
    assert token.reveal() not in kept.read_text()
    again = Sessions(tmp_path, token, clock)
    found = again.find(value)
    assert found is not None
    assert found.origin == ORIGIN
    assert again.find(value + "x") is None


def test_a_session_ends_by_idling_by_signing_out_and_with_its_token(
    tmp_path: Path, sessions: Sessions, token: AdminToken, clock: Clock
) -> None:
    value = sessions.sign_in(token.reveal(), ORIGIN)
    clock.now += IDLE_SECONDS - 1
    assert sessions.find(value) is not None
    clock.now += IDLE_SECONDS - 1
    assert sessions.find(value) is not None, "each request is a sign of life"
    clock.now += IDLE_SECONDS + 1
    assert sessions.find(value) is None
    value = sessions.sign_in(token.reveal(), ORIGIN)
    found = sessions.find(value)
    assert found is not None
    sessions.end(found)
    assert sessions.find(value) is None
    assert not sessions.lives(found)
    value = sessions.sign_in(token.reveal(), ORIGIN)
    AdminToken.path(tmp_path).unlink()
    renewed = AdminToken.ensure(tmp_path)
    assert Sessions(tmp_path, renewed, clock).find(value) is None


def test_a_code_signs_in_once_and_not_for_long(sessions: Sessions, clock: Clock) -> None:
    code = sessions.code()
    assert sessions.sign_in(code, ORIGIN)
    with pytest.raises(PointsmanError, match="not the admin token"):
        sessions.sign_in(code, ORIGIN)
    late = sessions.code()
    clock.now += CODE_SECONDS + 1
    with pytest.raises(PointsmanError, match="not the admin token"):
        sessions.sign_in(late, ORIGIN)


def test_wrong_words_are_slowed_down_and_a_minute_later_the_right_one_opens(
    sessions: Sessions, token: AdminToken, clock: Clock
) -> None:
    for _ in range(WRONG_A_MINUTE):
        with pytest.raises(PointsmanError) as wrong:
            sessions.sign_in("x", ORIGIN)
        assert wrong.value.kind is ErrorKind.UNAUTHORIZED
    with pytest.raises(PointsmanError) as slowed:
        sessions.sign_in(token.reveal(), ORIGIN)
    assert slowed.value.kind is ErrorKind.RATE_LIMITED
    assert 0 < (slowed.value.retry_after or 0) <= 61
    clock.now += 61
    assert sessions.sign_in(token.reveal(), ORIGIN)


@pytest.mark.parametrize("damage", ["", "{", "[1]", '[{"digest": 3}]', "\x00"])
def test_a_file_of_sessions_that_cannot_be_read_signs_everybody_out_and_stops_nothing(
    tmp_path: Path, sessions: Sessions, token: AdminToken, clock: Clock, damage: str
) -> None:
    value = sessions.sign_in(token.reveal(), ORIGIN)
    (tmp_path / "sessions.json").write_text(damage)
    again = Sessions(tmp_path, token, clock)
    assert again.find(value) is None
    assert again.sign_in(token.reveal(), ORIGIN)


def test_the_cookie_is_for_the_pages_alone(gateway: Gateway) -> None:
    stranger = Visitor(gateway.url)
    answer = stranger.post("/ui/sign-in", {"word": gateway.admin_token, "next": "/ui/more"})
    assert (answer.status, answer.header("location")) == (303, "/ui/more")
    cookie = answer.header("set-cookie") or ""
    assert cookie.startswith(f"pointsman_{gateway.url.rpartition(':')[2]}=")
    assert {"HttpOnly", "Path=/ui"} <= {part.strip() for part in cookie.split(";")}
    assert "samesite=strict" in cookie.lower()
    assert stranger.get("/ui").status == 200
    assert stranger.get("/api/mappings").status == 401, "a cookie opens no API"
    stranger.close()


@pytest.mark.parametrize(
    "there",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:x",
        "/api/mappings",
        "ui",
        "/uix",
    ],
)
def test_signing_in_leads_to_no_other_place(gateway: Gateway, there: str) -> None:
    stranger = Visitor(gateway.url)
    answer = stranger.post("/ui/sign-in", {"word": gateway.admin_token, "next": there})
    assert (answer.status, answer.header("location")) == (303, "/ui")
    stranger.close()


def test_who_is_not_signed_in_is_led_to_the_form_and_back(gateway: Gateway) -> None:
    stranger = Visitor(gateway.url)
    answer = stranger.get("/ui/more?x=1&y=2")
    assert (answer.status, answer.header("location")) == (
        303,
        "/ui/sign-in?next=%2Fui%2Fmore%3Fx%3D1%26y%3D2",
    )
    assert 'value="/ui/more?x=1&amp;y=2"' in stranger.text(answer.header("location") or "")
    assert stranger.get("/ui/live").status == 401, "a stream is not led anywhere"
    fragment = stranger.get("/ui/more", hx_request="true")
    assert fragment.status == 401
    assert fragment.header("hx-retarget") == "#notice"
    assert b"Your sign-in ended" in fragment.body
    stranger.close()


def test_a_click_from_another_site_asks_once_more_for_itself(gateway: Gateway) -> None:
    stranger = Visitor(gateway.url)
    answer = stranger.get("/ui", sec_fetch_site="cross-site")
    assert (answer.status, answer.header("refresh")) == (200, "0")
    stranger.close()


FOREIGN: list[dict[str, str]] = [
    {"origin": ""},
    {"origin": "null"},
    {"origin": "https://evil.example"},
    {"origin": "http://127.0.0.1:1"},
    {"sec_fetch_site": "same-site"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "none"},
]


@pytest.mark.parametrize("said", FOREIGN, ids=str)
def test_a_write_from_elsewhere_does_nothing(visitor: Visitor, said: dict[str, str]) -> None:
    answer = visitor.post("/ui/sign-out", {}, **said)
    assert answer.status == 403
    assert visitor.get("/ui").status == 200, "still signed in"


@pytest.mark.parametrize("said", FOREIGN, ids=str)
def test_nobody_is_signed_in_from_elsewhere(gateway: Gateway, said: dict[str, str]) -> None:
    stranger = Visitor(gateway.url)
    assert stranger.post("/ui/sign-in", {"word": gateway.admin_token}, **said).status == 403
    assert stranger.cookies == {}
    stranger.close()


def test_a_session_is_nobodys_at_another_host(gateway: Gateway, visitor: Visitor) -> None:
    port = gateway.url.rpartition(":")[2]
    answer = visitor.get("/ui", host=f"localhost:{port}")
    assert answer.status == 303, "another origin is another sign-in"


def test_signing_out_ends_it_there_and_here(gateway: Gateway) -> None:
    who = Visitor(gateway.url, gateway.admin_token)
    kept = dict(who.cookies)
    assert who.post("/ui/sign-out", {}).status == 303
    assert who.cookies == {}
    who.cookies = kept
    assert who.get("/ui").status == 303
    who.close()


def test_the_command_gives_an_address_that_works_once(gateway: Gateway, windows: Windows) -> None:
    made = json.loads(run_cli(gateway.data_dir, "ui", "--json").stdout)
    page = windows.open(gateway, signed_in=False)
    page.goto(made["url"])
    page.get_by_role("heading", level=1).first.wait_for()
    page.wait_for_url("**/ui")
    assert made["url"].partition("#")[2] not in page.url
    other = windows.open(gateway, signed_in=False)
    windows.watch(other).expected.append("401")
    other.goto(made["url"])
    other.get_by_text("That is not the admin token").wait_for()


def test_everybody_can_be_signed_out(own_gateway: Callable[..., Gateway]) -> None:
    gateway = own_gateway()
    who = Visitor(gateway.url, gateway.admin_token)
    assert gateway.api("DELETE", "/api/sign-in")["sessions"] == 1
    assert who.get("/ui").status == 303
    who.close()
