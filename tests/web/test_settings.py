"""Settings and its parts over the wire: what is shown, what a form changes, hostile values as text."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.web import Answer

from .visitor import Visitor

HOSTILE = '"><script>alert(1)</script>'


def newest(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = gateway.api("GET", "/api/audit?limit=1")[0]
    return found


def test_what_is_set_says_who_has_set_it(gateway: Gateway, visitor: Visitor) -> None:
    text = visitor.text("/ui/settings")
    found = {row["name"]: row for row in gateway.api("GET", "/api/settings")["settings"]}
    assert (found["port"]["by"], found["workers"]["by"]) == ("option", "default")
    assert found["usage is kept"]["restart"] is False
    assert str(gateway.data_dir) in text
    assert gateway.admin_token not in text
    for row in found.values():
        assert html.escape(row["value"]) in text or not row["value"]


def test_a_host_and_an_origin_are_let_in_and_undone(gateway: Gateway, visitor: Visitor) -> None:
    page = visitor.follow("/ui/settings/hosts", {"host": "Box.Lan"}).body.decode()
    assert "box.lan is let in." in page
    assert f'action="/ui/undo/{newest(gateway)["id"]}"' in page
    named = Visitor(gateway.url)
    assert named.get("/ui/sign-in", host="box.lan").status == 200, "without a restart"
    visitor.follow("/ui/settings/hosts/remove", {"host": "box.lan"})
    assert named.get("/ui/sign-in", host="box.lan").status == 403
    named.close()
    page = visitor.follow("/ui/settings/origins", {"origin": "https://chat.example"}).body.decode()
    number = re.search(r"/ui/settings/origins/(\d+)/remove", page)
    assert number is not None
    assert "chat.example" in visitor.follow(number[0], {}).body.decode()
    assert gateway.api("GET", "/api/origins") == []


def test_customs_are_set_and_a_pattern_is_added_removed_and_undone(
    gateway: Gateway, visitor: Visitor
) -> None:
    page = visitor.follow("/ui/settings/customs", {"mode": "mask"}).body.decode()
    assert '<option value="mask" selected>' in page
    badge = {"name": "badge", "pattern": "acme_[a-z0-9]{12}"}
    page = visitor.follow("/ui/settings/customs/add", badge).body.decode()
    assert "badge is looked for." in page
    assert "<code>acme_[a-z0-9]{12}</code>" in page
    visitor.follow("/ui/settings/customs/remove", {"name": "badge"})
    visitor.follow(f"/ui/undo/{newest(gateway)['id']}", {"back": "/ui/settings"})
    assert gateway.api("GET", "/api/customs")["patterns"] == [badge]
    visitor.follow("/ui/settings/customs/remove", {"name": "badge"})
    assert visitor.post("/ui/settings/customs/add", {"name": "x", "pattern": "a+"}).status == 422
    page = visitor.follow("/ui/settings/customs/add", {"name": "x", "pattern": HOSTILE}).body.decode()
    assert "<script>alert" not in page
    visitor.follow("/ui/settings/customs/remove", {"name": "x"})
    visitor.follow("/ui/settings/customs", {"mode": ""})
    assert gateway.api("GET", "/api/customs")["mode"] is None


def test_what_cannot_be_a_host_or_an_origin_is_said_and_shown_as_text(visitor: Visitor) -> None:
    for path, field in (("/ui/settings/hosts", "host"), ("/ui/settings/origins", "origin")):
        answer = visitor.post(path, {field: HOSTILE}, hx_request="true")
        assert answer.status == 422
        assert b"<script" not in answer.body


def test_how_long_usage_is_kept_is_set_and_undone(gateway: Gateway, visitor: Visitor) -> None:
    assert "Usage is kept for 30 days." in visitor.follow("/ui/settings/usage", {"days": "30"}).body.decode()
    visitor.follow(f"/ui/undo/{newest(gateway)['id']}", {"back": "/ui/settings"})
    assert gateway.api("GET", "/api/usage/keep")["days"] is None
    assert visitor.post("/ui/settings/usage", {"days": "soon"}).status == 422


def test_the_theme_is_the_first_page_s_own_without_a_script(gateway: Gateway) -> None:
    visitor = Visitor(gateway.url, gateway.admin_token)
    page = visitor.follow("/ui/settings/browser", {"theme": "dark", "zone": "Asia/Tokyo"}).body.decode()
    assert '<html lang="en" data-theme="dark">' in page
    assert 'data-keys="off"' in page
    assert 'value="Asia/Tokyo"' in page
    page = visitor.follow("/ui/settings/browser", {"theme": "", "zone": "", "keys": "on"}).body.decode()
    assert '<html lang="en">' in page
    assert 'data-keys="on"' in page
    assert visitor.post("/ui/settings/browser", {"zone": HOSTILE}).status == 422
    visitor.close()


def test_the_audit_shows_both_sides_as_text_and_no_secret(gateway: Gateway, visitor: Visitor) -> None:
    made = gateway.api("POST", "/api/groups", {"name": "audited", "note": HOSTILE})
    gateway.api("PATCH", "/api/groups/audited", {"note": "plain"})
    gateway.api(
        "POST", "/api/local", {"name": "audited", "base_url": "http://127.0.0.1:1", "api_key": "sk-canary"}
    )
    text = visitor.text("/ui/settings/audit")
    assert "<script>alert" not in text
    assert html.escape(HOSTILE, quote=False) in text.replace("&#34;", '"')
    assert "canary" not in text
    only = visitor.text(f"/ui/settings/audit?noun=group&row={made['id']}")
    assert only.count("<li data-row") == 2
    assert "Changed since by entry" in only
    assert "Nothing matches" in visitor.text("/ui/settings/audit?noun=group&row=424242")
    older = re.search(
        r'href="(/ui/settings/audit\?[^"]*cursor[^"]*)"', visitor.text("/ui/settings/audit?limit=1")
    )
    assert older is not None
    assert visitor.text(html.unescape(older[1])).count("<li data-row") == 1
    gateway.api("DELETE", "/api/groups/audited")
    gateway.api("DELETE", "/api/local/audited")
    assert "Its key is not kept here." in visitor.text("/ui/settings/audit?noun=local")


def test_a_backup_is_made_downloaded_looked_at_put_back_and_deleted(
    gateway: Gateway, visitor: Visitor
) -> None:
    page = visitor.follow("/ui/settings/backups", {}).body.decode()
    name = re.search(r"Saved (\S+\.tar)\.", page)
    assert name is not None
    path = f"/ui/settings/backups/{name[1]}"
    assert visitor.get(f"{path}/file").body[:12] == b"pointsman.db"
    assert "this gateway" in visitor.text(path)
    gateway.api("POST", "/api/groups", {"name": "after"})
    assert visitor.post(f"{path}/restore", {"typed": "yes"}).status == 422
    assert "Put back" in visitor.follow(f"{path}/restore", {"typed": "restore"}).body.decode()
    assert "after" not in [group["name"] for group in gateway.api("GET", "/api/groups")]
    visitor.follow(f"{path}/delete", {})
    assert visitor.get(path).status == 404
    for one in gateway.api("GET", "/api/backups"):
        gateway.api("DELETE", f"/api/backups/{one['name']}")


def sent_file(visitor: Visitor, content: bytes, name: str = "made elsewhere.tar") -> Answer:
    """As a browser sends a form with a file."""
    edge = "----WebKitFormBoundaryk3FzQ"
    head = f'--{edge}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
    kind = f"multipart/form-data; boundary={edge}"
    return visitor.send("POST", "/ui/settings/backups/uploads", body, origin=visitor.url, content_type=kind)


def test_a_backup_from_elsewhere_is_uploaded_looked_at_and_put_back(
    gateway: Gateway, visitor: Visitor
) -> None:
    gateway.api("POST", "/api/groups", {"name": "carried"})
    made = gateway.api("POST", "/api/backups", {})["name"]
    content = visitor.get(f"/ui/settings/backups/{made}/file").body
    gateway.api("DELETE", f"/api/backups/{made}")
    gateway.api("DELETE", "/api/groups/carried")
    answer = sent_file(visitor, content + bytes(1_500_000), '../../<b>"x.tar')
    path = answer.header("location") or ""
    assert re.fullmatch(r"/ui/settings/backups/uploaded-[\dTZ.]+\.tar", path), answer.body[-600:]
    page = visitor.text(path)
    assert "nothing is changed yet" in page
    assert re.search(r"\d groups?", page)
    assert "carried" not in [group["name"] for group in gateway.api("GET", "/api/groups")]
    assert "Put back" in visitor.follow(f"{path}/restore", {"typed": "restore"}).body.decode()
    assert "carried" in [group["name"] for group in gateway.api("GET", "/api/groups")]
    for one in gateway.api("GET", "/api/backups"):
        gateway.api("DELETE", f"/api/backups/{one['name']}")


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"no backup at all", "x.tar", "This is no backup that can be used"),
        (b"SQLite format 3\0" + bytes(5000), "x.db", "This is no backup that can be used"),
        (b"", "", "Choose a file first"),
    ],
)
def test_what_is_no_backup_is_refused_in_words_and_not_kept(
    gateway: Gateway, visitor: Visitor, content: bytes, name: str, why: str
) -> None:
    answer = sent_file(visitor, content, name)
    assert answer.status == 422
    assert why in answer.body.decode()
    folder = gateway.data_dir / "backups"
    assert [one.name for one in folder.iterdir() if one.name.startswith((".", "up"))] == []


def test_a_form_that_brings_no_whole_file_is_refused(visitor: Visitor) -> None:
    for kind, body in (
        ("application/x-www-form-urlencoded", b"file=x"),
        ("multipart/form-data", b"x"),
        (
            "multipart/form-data; boundary=e",
            b'--e\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--e--',
        ),
        ("multipart/form-data; boundary=e", b'--e\r\nx: filename="b"\r\n\r\nonly a beginning'),
    ):
        answer = visitor.send(
            "POST", "/ui/settings/backups/uploads", body, origin=visitor.url, content_type=kind
        )
        assert answer.status == 422, body


def test_the_doctor_runs_when_it_is_asked(visitor: Visitor) -> None:
    assert "Findings" not in visitor.text("/ui/settings/doctor")
    found = visitor.post("/ui/settings/doctor", {})
    assert (found.status, b"Findings" in found.body) == (200, True)


def test_every_field_of_every_client_is_on_the_fidelity_page(visitor: Visitor) -> None:
    text = visitor.text("/ui/settings/fidelity")
    for part in ("A client of Chat Completions", "A client of Responses", "A client of Messages"):
        assert part in text
    assert text.count('<tr><th scope="row">') > 150


def test_everybody_is_signed_out_at_once(own_gateway: Any) -> None:
    gateway = own_gateway()
    first, second = (Visitor(gateway.url, gateway.admin_token) for _ in range(2))
    assert "2 browsers are signed in" in first.text("/ui/settings")
    assert first.post("/ui/settings/sign-out", {}).header("location") == "/ui/sign-in"
    assert second.get("/ui/settings").status == 303
    first.close()
    second.close()


@pytest.mark.parametrize(
    "part",
    [
        "",
        "/limits",
        "/prices",
        "/webhooks",
        "/captures",
        "/cache",
        "/audit",
        "/backups",
        "/doctor",
        "/fidelity",
    ],
)
def test_a_part_of_settings_is_there_for_head_or_get(visitor: Visitor, part: str) -> None:
    assert 'aria-current="true"' in visitor.text(f"/ui/settings{part}")
