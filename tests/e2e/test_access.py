"""Who may use it: client keys, the admin token, and no web page on another site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from .gateway import Gateway, clean_environment, run_cli
from .warm import run_warm
from .web import Answer, fetch
from .wires import CHAT, MESSAGES, WIRES, Wire

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Make = Callable[..., Gateway]

LLM_CALLS: list[tuple[str, str, dict[str, Any] | None]] = [
    *[("POST", wire.path, wire.ask("practice")) for wire in WIRES],
    *[("POST", wire.path, wire.ask("practice", stream=True)) for wire in WIRES],
    ("POST", "/v1/completions", {"model": "practice", "prompt": "x"}),
    ("POST", "/v1/embeddings", {"model": "practice", "input": "x"}),
    ("POST", "/v1/messages/count_tokens", MESSAGES.ask("practice")),
    ("POST", "/v1/responses/input_tokens", {"model": "practice", "input": "x"}),
    ("POST", "/chat/completions", CHAT.ask("practice")),
    ("POST", "/v1/v1/messages?beta=true", MESSAGES.ask("practice")),
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/practice", None),
    ("GET", "/models", None),
]


def calls(gateway: Gateway, **headers: str) -> dict[str, int]:
    return {
        f"{method} {path} {bool(body and body.get('stream'))}": gateway.fetch(
            method, path, body, **headers
        ).status
        for method, path, body in LLM_CALLS
    }


def test_client_keys_are_needed_everywhere_from_the_first_one_on_and_after_the_last(
    own_gateway: Make,
) -> None:
    gateway = own_gateway()
    assert set(calls(gateway).values()) == {200}
    assert set(calls(gateway, authorization="Bearer anything").values()) == {200}

    made = gateway.cli_json("key", "create", "--name", "laptop")
    secret = made["secret"]
    assert set(calls(gateway).values()) == {401}
    assert set(calls(gateway, authorization="Bearer wrong").values()) == {401}
    assert set(calls(gateway, x_api_key=secret[:-1]).values()) == {401}
    assert set(calls(gateway, authorization=f"Bearer {secret}").values()) == {200}
    assert set(calls(gateway, x_api_key=secret).values()) == {200}
    assert set(calls(gateway, x_api_key=secret, authorization=f"bearer {secret}").values()) == {200}
    assert gateway.fetch("GET", "/livez").status == 200

    listed = gateway.cli_json("key", "list")
    assert [row["name"] for row in listed] == ["laptop"]
    assert secret not in str(listed)
    gateway.cli("key", "revoke", str(made["id"]))
    assert set(calls(gateway, x_api_key=secret).values()) == {401}
    assert set(calls(gateway).values()) == {401}, "still required after the last was revoked"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, str]]:
    """(a gateway that needs client keys, one of them)"""
    with Gateway(tmp_path_factory.mktemp("keyed") / "data") as found:
        yield found, found.api("POST", "/api/keys", {"name": "k"}, status=201)["secret"]


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_a_missing_key_is_told_in_the_clients_protocol(keyed: tuple[Gateway, str], wire: Wire) -> None:
    gateway, _ = keyed
    answer = gateway.fetch("POST", wire.path, wire.ask("practice"))
    assert answer.status == 401
    wire.check_error(answer.json())
    error = answer.json()["error"]
    if wire is MESSAGES:
        assert error["type"] == "authentication_error"
    else:
        assert error["code"] == "invalid_api_key"


def test_a_client_key_is_never_sent_to_a_backend(
    keyed: tuple[Gateway, str], upstream: Callable[..., ScriptedUpstream]
) -> None:
    (gateway, secret), server = keyed, upstream()
    gateway.rule("m", gateway.backend("local", server.url))
    answer = gateway.fetch(
        "POST", CHAT.path, CHAT.ask("m"), authorization=f"Bearer {secret}", x_api_key=secret
    )
    assert answer.status == 200, answer.body
    assert secret not in str([received.raw_headers for received in server.requests])


# -- bound to the network --------------------------------------------------------------------------


def test_serving_to_the_network_without_client_keys_is_refused_with_the_remedy(tmp_path: Any) -> None:
    done = run_cli(tmp_path / "data", "serve", "--host", "0.0.0.0", "--port", "0", timeout=20)
    assert done.returncode == 1
    assert "key create" in done.stderr


def test_serving_to_the_network_with_client_keys_works_and_needs_them(
    own_gateway: Make, tmp_path: Any
) -> None:
    done = run_warm(tmp_path / "data", "key", "create", "--json")
    assert done.returncode == 0, done.stderr
    gateway = own_gateway("--host", "0.0.0.0")
    url = f"http://127.0.0.1:{gateway.port}"
    assert gateway.url == url, "nobody asks 0.0.0.0, and the pages' snippets had it"
    assert fetch(url, "POST", CHAT.path, CHAT.ask("practice")).status == 401


# -- web pages -------------------------------------------------------------------------------------

PLACES = [
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/api/mappings"),
    ("GET", "/ui/sign-in"),
]


def visit(gateway: Gateway, method: str, path: str, **headers: str) -> Answer:
    body = CHAT.ask("practice") if method == "POST" else None
    if path.startswith("/api"):
        headers["authorization"] = f"Bearer {gateway.admin_token}"
    return gateway.fetch(method, path, body, **headers)


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4480",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "2130706433",
        "[::2]",
    ],
)
def test_a_foreign_host_is_refused(gateway: Gateway, method: str, path: str, host: str) -> None:
    answer = visit(gateway, method, path, host=host)
    assert answer.status in (400, 403, 421)
    assert b"--allow-host" in answer.body


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost:4480", "[::1]:80"]
)
def test_this_machines_names_are_fine(gateway: Gateway, method: str, path: str, host: str) -> None:
    assert visit(gateway, method, path, host=host).status == 200


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "file://", "http://[::1"]
)
def test_a_foreign_origin_is_refused(gateway: Gateway, method: str, path: str, origin: str) -> None:
    answer = visit(gateway, method, path, origin=origin)
    assert answer.status == 403
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_its_own_origin_is_fine(gateway: Gateway, method: str, path: str) -> None:
    assert visit(gateway, method, path, origin=gateway.url).status == 200


def test_a_preflight_from_another_site_opens_nothing(gateway: Gateway) -> None:
    answer = gateway.fetch(
        "OPTIONS", CHAT.path, origin="https://evil.example", access_control_request_method="POST"
    )
    assert answer.status == 403
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-allow")]


def test_listed_hosts_and_origins_are_let_in(own_gateway: Make) -> None:
    gateway = own_gateway("--allow-host", "box.lan", "--allow-origin", "https://chat.example")
    for method, path in PLACES:
        assert visit(gateway, method, path, host="box.lan").status == 200
        assert visit(gateway, method, path, host="box.lan:4480").status == 200
        assert visit(gateway, method, path, host="other.lan").status in (400, 403, 421)
        assert visit(gateway, method, path, origin="https://chat.example").status == 200
        assert visit(gateway, method, path, origin="https://chat.example.evil").status == 403
    answer = visit(gateway, "POST", CHAT.path, origin="https://chat.example")
    assert answer.header("access-control-allow-origin") == "https://chat.example"
    preflight = gateway.fetch(
        "OPTIONS",
        CHAT.path,
        origin="https://chat.example",
        access_control_request_method="POST",
        access_control_request_headers="authorization,content-type",
    )
    assert preflight.status in (200, 204)
    assert preflight.header("access-control-allow-origin") == "https://chat.example"
    assert "authorization" in (preflight.header("access-control-allow-headers") or "").lower()


# -- the admin API ---------------------------------------------------------------------------------

ADMIN = [
    ("GET", "/api/mappings"),
    ("POST", "/api/mappings"),
    ("PATCH", "/api/mappings/1"),
    ("DELETE", "/api/mappings/1"),
    ("GET", "/api/credentials"),
    ("PUT", "/api/credentials/openai"),
    ("GET", "/api/local"),
    ("GET", "/api/keys"),
    ("POST", "/api/keys"),
    ("GET", "/api/usage"),
    ("GET", "/api/explain?model=x"),
    ("GET", "/api/openapi.json"),
    ("POST", "/api/secrets/rotate"),
    ("GET", "/api/status"),
    ("GET", "/api/nothing/here"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN)
def test_the_admin_api_needs_the_token(gateway: Gateway, method: str, path: str) -> None:
    token = gateway.admin_token
    for headers in (
        {},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {token[:-1]}"},
        {"authorization": f"Bearer {token}x"},
        {"authorization": f"Basic {token}"},
        {"x_api_key": token},
    ):
        answer = gateway.fetch(method, path, {} if method in ("POST", "PUT", "PATCH") else None, **headers)
        assert answer.status == 401, (headers, answer.body)
        assert answer.header("content-type") == "application/problem+json"
        assert answer.json()["code"]


def test_a_write_from_another_site_is_refused_even_with_the_token(gateway: Gateway) -> None:
    before = len(gateway.api("GET", "/api/mappings"))
    headers = {"authorization": f"Bearer {gateway.admin_token}", "origin": "https://evil.example"}
    body = {"model_pattern": "x", "backend_type": "local"}
    assert gateway.fetch("POST", "/api/mappings", body, **headers).status == 403
    assert len(gateway.api("GET", "/api/mappings")) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/mappings/999999", None, 404),
        ("DELETE", "/api/mappings/999999", None, 404),
        ("GET", "/api/nothing/here", None, 404),
        ("PUT", "/api/mappings", {}, 405),
        ("POST", "/api/mappings", {}, 422),
        ("POST", "/api/mappings", {"model_pattern": "x", "backend_type": "azure"}, 422),
        ("POST", "/api/mappings", {"model_pattern": "", "backend_type": "local"}, 422),
        ("POST", "/api/local", {"name": "Bad Name!", "base_url": "http://127.0.0.1:1"}, 422),
        ("POST", "/api/local", {"name": "x", "base_url": "http://169.254.169.254"}, 422),
        ("POST", "/api/local", {"name": "x", "base_url": "http://user:pw@127.0.0.1"}, 422),
        ("PUT", "/api/credentials/openai/x", {"api_key": "k", "base_url": "http://api.example.com"}, 422),
        ("PUT", "/api/credentials/local/x", {"api_key": "k"}, 422),
    ],
)
def test_admin_errors_are_problems_with_a_stable_code(
    gateway: Gateway, method: str, path: str, body: Any, status: int
) -> None:
    answer = gateway.api_answer(method, path, body)
    assert answer.status == status, answer.body
    assert answer.header("content-type") == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"]
    assert problem["title"]
    assert problem["detail"]


def test_an_admin_body_that_is_not_json_is_a_problem_too(gateway: Gateway) -> None:
    answer = gateway.fetch("POST", "/api/mappings", b"{nope", authorization=f"Bearer {gateway.admin_token}")
    assert answer.status in (400, 422)
    assert answer.header("content-type") == "application/problem+json"


def test_security_headers_are_on_every_answer_of_the_admin_side(gateway: Gateway) -> None:
    for path in ("/ui", "/api/mappings", "/api/nothing"):
        answer = visit(gateway, "GET", path)
        assert answer.header("x-content-type-options") == "nosniff"
        assert "frame-ancestors 'none'" in (answer.header("content-security-policy") or "")
        assert answer.header("referrer-policy")
        assert answer.header("server") is None or "uvicorn" not in (answer.header("server") or "")


def test_the_environment_of_tests_has_no_keys() -> None:
    assert not [
        name for name in clean_environment() if name.startswith(("OPENAI_", "ANTHROPIC_", "POINTSMAN_"))
    ]
