"""wire.origins: how an origin that is let in is written, and which Origin headers it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.origins import Origins, caution, is_web, parse_origin

ID = "abcdefghijklmnopabcdefghijklmnop"
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://Chat.Example/", "https://chat.example"),
        (" http://localhost:3000 ", "http://localhost:3000"),
        ("https://x:443", "https://x"),
        ("http://x:080", "http://x"),
        ("https://x:80", "https://x:80"),
        ("HTTP://LOCALHOST:*", "http://localhost:*"),
        ("https://*.Team.example:8443", "https://*.team.example:8443"),
        ("http://*.localhost:*", "http://*.localhost:*"),
        ("http://*.lan", "http://*.lan"),
        ("http://*.localhost.", "http://*.localhost."),
        ("http://xn--wgv71a.jp", "http://xn--wgv71a.jp"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://*.BÜCHER.example", "https://*.xn--bcher-kva.example"),
        ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
        ("http://127.0.0.1:*", "http://127.0.0.1:*"),
        ("app://obsidian.md", "app://obsidian.md"),
        ("app://*", "app://*"),
        (f"chrome-extension://{ID}/", f"chrome-extension://{ID}"),
        ("chrome-extension://*", "chrome-extension://*"),
        (f"moz-extension://{UUID}", f"moz-extension://{UUID}"),
        ("vscode-webview://*", "vscode-webview://*"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("tauri://localhost", "tauri://localhost"),
        ("ionic://localhost:8100", "ionic://localhost:8100"),
        ("file://", "file://"),
        ("NULL", "null"),
        ("*", "*"),
    ],
)
def test_what_can_match_is_written_as_browsers_send_it(written: str, normal: str) -> None:
    assert parse_origin(written) == normal
    assert parse_origin(normal) == normal


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("localhost", "http://localhost:*"),
        ("127.0.0.1", "http://127.0.0.1:*"),
        ("localhost:5173", "http://localhost:5173"),
        ("chat.example", "https://chat.example"),
        ("chat.example/page", "https://chat.example "),
        ("http:/localhost", "http://localhost"),
        ("//chat.example", "no scheme"),
        ("https://chat.example/app", "write https://chat.example"),
        ("https://chat.example?x", "write https://chat.example"),
        ("app://obsidian.md/*", "write app://obsidian.md"),
        ("app://obsidian.md*", "app://*"),
        ("https://me:pw@chat.example", "write https://chat.example"),
        ("https://*", "* alone"),
        ("http://*:*", "http://localhost:*"),
        ("https://*.com", "https://*.team.com"),
        ("https://chat.*", "https://*.NAME"),
        ("https://*chat.example", "https://*.NAME"),
        ("https://a.*.example", "https://*.NAME"),
        ("http://localhost:3*", ":* is any port"),
        ("http://*.0.0.1", "before an address"),
        ("https://x:0", "1 to 65535"),
        ("https://x:65536", "1 to 65535"),
        ("http://127.1", "four numbers"),
        ("http://0x7f000001", "four numbers"),
        ("http://[::1", "[::1]"),
        ("https://faß.example", "xn--"),
        ("https://", "no host"),
        ("http://[fe80::1%eth0]:3000", "[::1]"),
        ("http://xn--a.example", "no host name"),
        ("http://xn--99999999.example", "no host name"),
        (f"chrome-extension://{ID}:80", f"write chrome-extension://{ID}"),
        (f"moz-extension://{UUID}:*", f"write moz-extension://{UUID}"),
        ('"null"', "write an origin such as"),
        ("http:chat.example", "write an origin such as"),
        ("app://", "no host"),
        ("chrome-extension://my-extension", "32 letters"),
        ("moz-extension://me@example.org", "moz-extension://*"[:4]),
        ("moz-extension://abc", "moz-extension://*"),
        ("file:///home/me/page.html", "null"),
        ("data:text/html,x", "comma"),
        ("data:x", "null"),
        ("blob:https://x", "null"),
        ("about:blank", "null"),
        ("wss://chat.example", "https://chat.example"),
        ("ws://localhost:3000/", "http://localhost:3000"),
        ("http://a.example,http://b.example", "comma"),
        ("http://a.example http://b.example", "space"),
        ("http://a\u200b.example", "invisible"),
        ("", "empty"),
        ("https://" + "x" * 300, "longer"),
    ],
)
def test_what_can_never_match_says_what_to_write_instead(written: str, instead: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_origin(written)
    said = str(caught.value)
    assert instead.strip() in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("allowed", "sent", "has"),
    [
        ("https://chat.example", "https://chat.example", True),
        ("https://chat.example", "HTTPS://Chat.example", True),
        ("https://chat.example", "https://chat.example:8443", False),
        ("https://chat.example", "http://chat.example", False),
        ("https://chat.example", "https://chat.example.evil", False),
        ("https://chat.example", "https://chat.example/", False),
        ("http://localhost:*", "http://localhost", True),
        ("http://localhost:*", "http://localhost:1", True),
        ("http://localhost:*", "https://localhost:1", False),
        ("http://localhost:*", "http://localhost.evil.example:1", False),
        ("http://localhost:*", "http://localhost:1@evil.example", False),
        ("http://localhost:*", "http://localhost:1/x", False),
        ("http://localhost:*", "http://127.0.0.1:1", False),
        ("http://[::1]:*", "http://[::1]:5173", True),
        ("https://*.team.example", "https://a.team.example", True),
        ("https://*.team.example", "https://a.b.team.example", True),
        ("https://*.team.example", "https://team.example", False),
        ("https://*.team.example", "https://evilteam.example", False),
        ("https://*.team.example", "https://.team.example", True),
        ("https://*.team.example", "https://a.team.example:8443", False),
        ("https://*.team.example", "https://evil/.team.example", False),
        ("https://*.team.example", "https://evil?.team.example", False),
        ("https://*.team.example", "https://evil\\.team.example", False),
        ("https://*.team.example", "https://evil,.team.example", False),
        ("https://*.team.example", "https://evil%2f.team.example", False),
        ("https://*.team.example:*", "https://a.team.example:8443", True),
        ("app://obsidian.md", "app://obsidian.md", True),
        ("app://*", "app://obsidian.md", True),
        ("app://*", "apps://obsidian.md", False),
        ("chrome-extension://*", f"chrome-extension://{ID}", True),
        ("chrome-extension://*", f"moz-extension://{UUID}", False),
        ("chrome-extension://*", "null", False),
        ("file://", "file://", True),
        ("null", "null", True),
        ("null", "http://null", False),
        ("*", "https://anything.example:1", True),
        ("*", f"moz-extension://{UUID}", True),
        ("*", "null", False),
        ("*", "", False),
        ("*", "file://", False),
        ("*", "\xff", False),
    ],
)
def test_which_origins_are_meant(allowed: str, sent: str, has: bool) -> None:
    assert Origins([parse_origin(allowed)]).has(sent) is has


@given(st.text(max_size=60))
def test_no_text_lets_in_null_but_its_own_word(text: str) -> None:
    try:
        found = parse_origin(text)
    except ValueError:
        return
    assert Origins([found]).has("null") is (found == "null")
    assert parse_origin(found) == found
    if "*" not in found:
        assert Origins([found]).has(found)


def test_only_exact_web_origins_count_as_such() -> None:
    web = ["https://a.example", "http://localhost:1"]
    others = ["http://localhost:*", "https://*.a.example", "app://x", "null", "*", "file://"]
    assert [one for one in web + others if is_web(one)] == web
    assert [one for one in web + others if caution(one)] == ["null", "file://"]
