"""Connect's panel of a program's settings file: the diff, Write it, Undo, and who may see it. What is written is
tests/admin/control/test_program_files.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.gateway import Gateway

from .accessible import assert_accessible, assert_fits
from .visitor import Visitor

if TYPE_CHECKING:
    from .windows import Windows

CODEX = '# mine\nmodel = "gpt-5" # own\n\n[mcp_servers.x]\nenv = { API_TOKEN = "abcdefgh12345" }\n'
PAGE = "/ui/connect?program=codex&model=practice"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[Gateway]:
    """A gateway of a user whose home is of this test alone."""
    with Gateway(tmp_path_factory.mktemp("files"), env={"HOME": str(home)}) as running:
        yield running


@pytest.fixture(scope="module")
def guest(alone: Gateway) -> Iterator[Visitor]:
    made = Visitor(alone.url, alone.admin_token)
    yield made
    made.close()


@pytest.fixture
def codex(home: Path) -> Path:
    path = home / ".codex" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    for one in path.parent.iterdir():
        one.unlink()
    path.write_text(CODEX)
    path.chmod(0o600)
    return path


def hidden(page: str, action: str) -> dict[str, str]:
    """The hidden fields of a form, as a browser sends them."""
    (form,) = re.findall(rf'<form[^>]*action="{action}".*?</form>', page, re.DOTALL)
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in found}


def test_without_a_script_it_is_written_as_shown_and_put_back(guest: Visitor, codex: Path) -> None:
    page = guest.text(PAGE)
    assert str(codex) in page
    text = unescape(page)
    assert '>-model = "gpt-5" # own\n' in text
    assert '>+model = "practice" # own\n' in text
    assert "abcd..." in text
    assert "abcdefgh12345" not in page
    assert "/ui/connect/undo" not in page
    done = guest.follow("/ui/connect/write", hidden(page, "/ui/connect/write"))
    after = done.body.decode()
    assert f"Wrote {codex}. Codex reads it when it starts." in unescape(after)
    assert 'model = "practice" # own' in codex.read_text()
    assert "It says all of it already" in after
    assert "/ui/connect/write" not in after
    back = guest.follow("/ui/connect/undo", hidden(after, "/ui/connect/undo"))
    assert f"Put back: {codex}." in unescape(back.body.decode())
    assert codex.read_text() == CODEX


def test_what_has_changed_meanwhile_is_told_and_shown_anew(guest: Visitor, codex: Path) -> None:
    fields = hidden(guest.text(PAGE), "/ui/connect/write")
    codex.write_text(CODEX + "late = 1\n")
    answer = guest.post("/ui/connect/write", fields)
    page = answer.body.decode()
    assert answer.status == 409
    assert "nothing was written" in page
    assert codex.read_text() == CODEX + "late = 1\n"
    guest.follow("/ui/connect/write", hidden(page, "/ui/connect/write"))
    assert "late = 1" in codex.read_text()
    assert 'model = "practice"' in codex.read_text()


def test_a_write_that_no_page_of_ours_sent_does_nothing(guest: Visitor, codex: Path) -> None:
    page = guest.text(PAGE)
    fields = hidden(page, "/ui/connect/write")
    for origin in ("http://evil.example", "http://127.0.0.1:1", ""):
        assert guest.post("/ui/connect/write", fields, origin=origin).status == 403
    assert guest.post("/ui/connect/write", fields, sec_fetch_site="same-site").status == 403
    assert codex.read_text() == CODEX


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip", "via"])
def test_who_comes_by_a_proxy_sees_no_file(guest: Visitor, codex: Path, header: str) -> None:
    """Nor by saying that it is near."""
    page = guest.text(PAGE)
    fields = hidden(page, "/ui/connect/write")
    far = {header: "203.0.113.7", "x_pointsman_near": "1"}
    seen = guest.text(PAGE, **far)
    assert "the computer that the gateway runs on" in seen
    assert str(codex) not in seen
    assert "gpt-5" not in seen
    assert guest.post("/ui/connect/write", fields, **far).status == 403
    assert guest.post("/ui/connect/undo", fields, **far).status == 403
    assert codex.read_text() == CODEX


def test_in_a_browser(alone: Gateway, windows: Windows, codex: Path) -> None:
    page = windows.open(alone, width=375)
    page.goto(PAGE)
    panel = page.locator(".files")
    panel.get_by_text("not changed yet").wait_for()
    assert panel.locator(".less").inner_text().strip() == '-model = "gpt-5" # own'
    assert_accessible(page)
    assert_fits(page)
    codex.write_text(CODEX + "late = 1\n")
    windows.watch(page).expected.append("status of 409")
    panel.get_by_role("button", name="Write it").click()
    panel.get_by_role("alert").get_by_text("nothing was written").wait_for()
    panel.get_by_role("button", name="Write it").click()
    panel.get_by_text("points here").wait_for()
    assert 'model = "practice" # own' in codex.read_text()
    assert_accessible(page)
    panel.get_by_role("button", name="Undo").click()
    panel.get_by_text("not changed yet").wait_for()
    assert codex.read_text() == CODEX + "late = 1\n"


def test_a_key_goes_into_the_file_with_the_write(alone: Gateway, guest: Visitor, codex: Path) -> None:
    """The last of this gateway: every request needs a key from here on. One that was made on the page goes in as it is
    shown, and else one is made by the write, which nobody sees."""
    made = guest.post("/ui/connect/key", {"program": "codex", "model": "practice", "name": "seen"})
    page = made.body.decode()
    secret = re.findall(r'<b id="secret">(pm-[\w-]+)</b>', page)[0]
    fields = hidden(page, "/ui/connect/write")
    assert fields["secret"] == secret
    after = guest.follow("/ui/connect/write", fields).body.decode()
    assert f'args = ["{secret}"]' in codex.read_text()
    assert secret not in after
    assert secret not in guest.text(PAGE)
    assert "With the client key that stands in it" in guest.text(PAGE + "2")
    codex.unlink()
    for one in codex.parent.iterdir():
        one.unlink()
    page = guest.text(PAGE)
    assert "A-NEW-CLIENT-KEY" in page
    fields = hidden(page, "/ui/connect/write") | {"name": "unseen"}
    after = unescape(guest.follow("/ui/connect/write", fields).body.decode())
    assert "which was made for it" in after
    (key,) = [one for one in alone.api("GET", "/api/keys") if one["name"] == "unseen"]
    assert key["prefix"] in codex.read_text()
    assert re.search(rf'<option value="{key["id"]}" selected>', after), "whose requests are waited for"
    bad = guest.post("/ui/connect/write", fields | {"secret": "pm-notours-0000", "digest": "0"})
    assert bad.status == 422
