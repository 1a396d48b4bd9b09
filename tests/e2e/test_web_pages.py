"""Browser clients: which pages of other origins are let in, by option, variable and setting, and what they can read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .gateway import Gateway, run_cli
from .web import Answer
from .wires import CHAT, MESSAGES, WIRES, Wire

OBSIDIAN = "app://obsidian.md"
PAGE = "http://localhost:5173"
EXTENSION = "chrome-extension://" + "abcdefghijklmnop" * 2


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two workers: what is let in, is by both."""
    folder = tmp_path_factory.mktemp("pages") / "data"
    variable = {
        "POINTSMAN_ALLOW_ORIGIN": f" {OBSIDIAN}/ , https://*.team.example",
        "POINTSMAN_ALLOW_HOST": "box.lan",
    }
    options = (
        "--workers",
        "2",
        "--allow-origin",
        "http://localhost:*",
        "--allow-origin",
        "https://chat.example",
    )
    with Gateway(folder, *options, env=variable, expect_clean_log=False) as running:
        yield running


def ask(gateway: Gateway, origin: str, **headers: str) -> Answer:
    return gateway.fetch("POST", CHAT.path, CHAT.ask("practice"), origin=origin, **headers)


def readable(answer: Answer, origin: str) -> bool:
    return answer.header("access-control-allow-origin") == origin


@pytest.mark.parametrize(
    "origin", [OBSIDIAN, PAGE, "http://localhost", "https://a.team.example", "https://chat.example"]
)
def test_pages_that_option_and_variable_name_are_let_in(gateway: Gateway, origin: str) -> None:
    answer = ask(gateway, origin, sec_fetch_site="cross-site")
    assert answer.status == 200, answer.body
    assert readable(answer, origin)
    assert answer.header("vary") == "origin"
    exposed = answer.header("access-control-expose-headers") or ""
    assert "*" in exposed.split(", ")
    assert "x-request-id" in exposed.split(", ")


@pytest.mark.parametrize(
    "origin", ["null", "https://team.example", "app://other", "http://127.0.0.1:1", EXTENSION]
)
def test_a_refused_page_is_told_the_command_that_lets_it_in(gateway: Gateway, origin: str) -> None:
    for method in ("POST", "OPTIONS"):
        answer = gateway.fetch(
            method, CHAT.path, CHAT.ask("practice") if method == "POST" else None, origin=origin
        )
        assert answer.status == 403
        assert f"pointsman origin add {origin} " in answer.json()["error"]["message"]
        assert answer.header("access-control-allow-origin") is None


def test_a_refusal_is_logged_once_and_not_a_line_a_request(gateway: Gateway) -> None:
    for _ in range(20):
        assert ask(gateway, "https://logged.example").status == 403
    lines = [line for line in gateway.read_log().splitlines() if "logged.example" in line]
    assert 1 <= len(lines) <= 2, lines  # one for each worker
    assert "pointsman origin add https://logged.example" in lines[0]


def test_origins_of_strangers_cannot_fill_the_log(gateway: Gateway) -> None:
    for number in range(300):
        gateway.fetch("GET", "/v1/models", origin=f"https://stranger{number}.example")
    lines = [line for line in gateway.read_log().splitlines() if "https://stranger" in line]
    assert 0 < len(lines) <= 2 * 100


@pytest.mark.parametrize(
    ("added", "origin"),
    [
        ("null", "null"),
        ("chrome-extension://*", EXTENSION),
        ("https://New.example:443/", "https://new.example"),
    ],
)
def test_an_origin_is_added_listed_and_removed_without_a_restart(
    gateway: Gateway, added: str, origin: str
) -> None:
    assert ask(gateway, origin).status == 403
    row = gateway.cli_json("origin", "add", added)
    assert row["sources"] == ["stored"]
    assert bool(row["warnings"]) is (origin == "null")
    for _ in range(8):  # whichever worker
        answer = ask(gateway, origin)
        assert answer.status == 200
        assert readable(answer, origin)
    again = gateway.api_answer("POST", "/api/origins", {"origin": added})
    assert again.status == 409
    gateway.cli("origin", "remove", row["origin"])
    assert {ask(gateway, origin).status for _ in range(8)} == {403}


def test_the_list_says_where_each_comes_from(gateway: Gateway) -> None:
    row = gateway.api("POST", "/api/origins", {"origin": "https://chat.example"}, status=201)
    found = {one["origin"]: one["sources"] for one in gateway.cli_json("origin", "list")}
    assert found == {
        "https://chat.example": ["stored", "option"],
        "http://localhost:*": ["option"],
        OBSIDIAN: ["environment"],
        "https://*.team.example": ["environment"],
    }
    assert gateway.api_answer("DELETE", f"/api/origins/{row['id']}", None).status == 204
    assert gateway.api_answer("DELETE", f"/api/origins/{row['id']}", None).status == 404
    assert ask(gateway, "https://chat.example").status == 200, "the option still lets it in"
    refused = run_cli(gateway.data_dir, "origin", "remove", OBSIDIAN)
    assert refused.returncode == 1
    assert "POINTSMAN_ALLOW_ORIGIN" in refused.stderr


@pytest.mark.parametrize("origin", ["localhost", "https://x/path", "*", "chrome-extension://abc", 7, ""])
def test_what_can_never_match_is_not_stored(gateway: Gateway, origin: object) -> None:
    answer = gateway.api_answer("POST", "/api/origins", {"origin": origin})
    assert answer.status == 422
    assert answer.header("content-type") == "application/problem+json"


def test_a_preflight_of_the_openai_sdk_in_a_browser_is_answered_whole(gateway: Gateway) -> None:
    wanted = "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-retry-count"
    answer = gateway.fetch(
        "OPTIONS",
        CHAT.path,
        origin=PAGE,
        access_control_request_method="POST",
        access_control_request_headers=wanted,
        access_control_request_private_network="true",
    )
    assert answer.status == 204
    assert readable(answer, PAGE)
    assert answer.header("access-control-allow-headers") == wanted
    assert answer.header("access-control-allow-methods") == "POST"
    assert answer.header("access-control-allow-private-network") == "true"
    assert answer.header("access-control-max-age") == "600"
    assert "access-control-request-headers" in (answer.header("vary") or "")


def test_a_preflight_names_no_private_network_that_nobody_asked_for(gateway: Gateway) -> None:
    answer = gateway.fetch(
        "OPTIONS",
        MESSAGES.path,
        origin=OBSIDIAN,
        access_control_request_method="POST",
        access_control_request_headers="x-api-key,anthropic-dangerous-direct-browser-access",
    )
    assert answer.status == 204
    assert "anthropic-dangerous-direct-browser-access" in (
        answer.header("access-control-allow-headers") or ""
    )
    assert not [name for name, _ in answer.headers if "network" in name and name.startswith("access")]


ERRORS = [
    ("POST", CHAT.path, b"{", {}, 400),
    ("POST", CHAT.path, {"model": "nobody-has-this", "messages": []}, {}, 404),
    ("POST", CHAT.path, CHAT.ask("practice:429"), {}, 429),
    ("POST", MESSAGES.path, MESSAGES.ask("practice:500"), {"x_pointsman_no_fallback": "1"}, 500),
    ("PUT", CHAT.path, {}, {}, 405),
    ("GET", "/v1/responses", None, {"upgrade": "websocket", "connection": "upgrade"}, 426),
    ("GET", "/v1/models/none", None, {}, 404),
    ("POST", "/v1/files", {}, {}, 404),
    ("POST", CHAT.path, b" " * (33 * 1024 * 1024), {}, 413),
]


@pytest.mark.parametrize(("method", "path", "body", "more", "status"), ERRORS)
def test_a_page_can_read_every_error(
    gateway: Gateway, method: str, path: str, body: bytes | None, more: dict[str, str], status: int
) -> None:
    try:
        answer = gateway.fetch(method, path, body, origin=OBSIDIAN, **more)
    except (BrokenPipeError, ConnectionResetError):
        pytest.skip("it was told before it had written everything, and the answer went with the connection")
    assert answer.status == status, answer.body
    assert readable(answer, OBSIDIAN)


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_a_page_can_read_a_stream_and_what_answered_it(gateway: Gateway, wire: Wire) -> None:
    answer = gateway.fetch("POST", wire.path, wire.ask("practice", stream=True), origin=PAGE)
    assert answer.status == 200
    assert readable(answer, PAGE)
    assert answer.header("x-pointsman-target") == "local/practice:practice"


@pytest.mark.parametrize("path", ["/api/mappings", "/ui", "/metrics", "/"])
def test_the_admin_side_is_not_for_pages(gateway: Gateway, path: str) -> None:
    token = {"authorization": f"Bearer {gateway.admin_token}"}
    for origin in (OBSIDIAN, PAGE, "https://a.team.example"):
        answer = gateway.fetch("GET", path, None, origin=origin, **token)
        assert answer.status == 403, "let in for the model paths only"
        assert gateway.fetch("OPTIONS", path, None, origin=origin).status == 403
    named = gateway.fetch("GET", path, None, origin="https://chat.example", **token)
    assert named.status in (200, 303, 307), "an exact web origin of the option, as ever"
    assert not [name for name, _ in named.headers if name.lower().startswith("access-control-")]


def test_a_host_that_the_variable_names_is_let_in(gateway: Gateway) -> None:
    assert gateway.fetch("GET", "/v1/models", host="box.lan:4480").status == 200
    assert gateway.fetch("GET", "/v1/models", host="other.lan").status == 403


def test_every_page_only_where_clients_need_keys(own_gateway: type[Gateway]) -> None:
    gateway = own_gateway(expect_clean_log=False)
    anywhere = "https://any.where.example"
    assert gateway.api_answer("POST", "/api/origins", {"origin": "*"}).status == 422
    secret = gateway.api("POST", "/api/keys", {"name": "page"}, status=201)["secret"]
    gateway.api("POST", "/api/origins", {"origin": "*"}, status=201)
    unknown = ask(gateway, anywhere)
    assert unknown.status == 401
    assert readable(unknown, anywhere), "the page can read why"
    known = ask(gateway, anywhere, authorization=f"Bearer {secret}")
    assert known.status == 200
    assert known.header("access-control-allow-credentials") is None
    assert ask(gateway, "null", authorization=f"Bearer {secret}").status == 403, "by its own word only"
    preflight = gateway.fetch("OPTIONS", CHAT.path, origin=anywhere, access_control_request_method="POST")
    assert preflight.status == 204, "without a key: a preflight cannot carry one"
    gateway.stop()
    gateway.start()
    assert ask(gateway, anywhere, authorization=f"Bearer {secret}").status == 200, "after a restart, too"


@pytest.mark.parametrize(
    ("words", "env", "code", "said"),
    [
        (("--allow-origin", "localhost"), {}, 2, "http://localhost:*"),
        (("--allow-host", "http://box.lan/"), {}, 2, "write box.lan"),
        (
            (),
            {"POINTSMAN_ALLOW_ORIGIN": "https://a.example,b.example"},
            1,
            "POINTSMAN_ALLOW_ORIGIN='b.example'",
        ),
        ((), {"POINTSMAN_ALLOW_HOST": "*.lan"}, 1, "POINTSMAN_ALLOW_HOST"),
        (("--allow-origin", "*"), {}, 1, "key create"),
    ],
)
def test_what_can_never_match_is_one_line_at_the_start(
    tmp_path: Path, words: tuple[str, ...], env: dict[str, str], code: int, said: str
) -> None:
    done = run_cli(tmp_path / "data", "serve", "--port", "0", *words, env=env, timeout=30)
    assert done.returncode == code
    lines = [line for line in done.stderr.splitlines() if "INFO" not in line]
    assert len(lines) == 1, done.stderr
    assert said in lines[0]
