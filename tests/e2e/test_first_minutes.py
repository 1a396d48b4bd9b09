"""What a newcomer does in the first minutes: start it, paste a curl command, look around."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from .gateway import Gateway
from .web import raw
from .wires import CHAT, MESSAGES, WIRES, Wire

pytestmark = pytest.mark.timeout(60)


def test_serve_prints_one_line_with_its_address_and_process(gateway: Gateway) -> None:
    printed = gateway.stdout.read_text().splitlines()
    assert len(printed) == 1
    line = json.loads(printed[0])
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/?", line["url"])
    assert gateway.process is not None
    assert line["pid"] == gateway.process.pid


def test_serve_json_names_the_running_gateway(gateway: Gateway) -> None:
    noted = json.loads((gateway.data_dir / "serve.json").read_text())
    assert noted["url"].rstrip("/") == gateway.url
    assert noted["pid"] == gateway.started["pid"]
    assert Path(noted["socket"]).is_socket()


def test_files_in_the_data_folder_are_for_the_owner_only(gateway: Gateway) -> None:
    assert stat.S_IMODE(gateway.data_dir.stat().st_mode) == 0o700
    files = [path for path in gateway.data_dir.rglob("*") if path.is_file()]
    assert {"pointsman.db", "master.key", "admin-token", "serve.json"} <= {path.name for path in files}
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in files} == {
        path.name: "0o600" for path in files
    }


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_practice_model_answers_in_the_protocol_asked(gateway: Gateway, wire: Wire) -> None:
    answer = gateway.fetch("POST", wire.path, wire.ask("practice", "good morning"))
    assert answer.status == 200, answer.body
    assert (answer.header("content-type") or "").startswith("application/json")
    said = wire.text(answer.json())
    assert "practice" in said.lower()
    assert "good morning" in said


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_practice_model_streams_in_the_protocol_asked(gateway: Gateway, wire: Wire) -> None:
    answer = gateway.fetch("POST", wire.path, wire.ask("practice", "good morning", stream=True))
    assert answer.status == 200
    assert (answer.header("content-type") or "").startswith("text/event-stream")
    assert "good morning" in wire.stream_text(answer.body)
    assert wire.ended(answer.body)
    assert wire.broken(answer.body) is None


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_streamed_pieces_arrive_while_the_backend_still_writes(gateway: Gateway, wire: Wire) -> None:
    body = json.dumps(wire.ask("practice:slow", "one two three", stream=True)).encode()
    with raw(gateway.url) as connection:
        connection.send(
            f"POST {wire.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert connection.head()[0] == 200
        assert sum(1 for _ in connection.chunks()) > 3


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_answers_carry_request_id_target_and_attempts(gateway: Gateway, wire: Wire) -> None:
    first = gateway.fetch("POST", wire.path, wire.ask("practice"))
    second = gateway.fetch("POST", wire.path, wire.ask("practice"))
    assert first.header("x-request-id")
    assert first.header("x-request-id") == first.header("request-id")
    assert first.header("x-request-id") != second.header("x-request-id")
    assert first.header("x-pointsman-target") == "local/practice:practice"
    assert first.header("x-pointsman-attempts") == "1"
    assert first.header("x-pointsman-fallback") is None


def test_completions_and_embeddings_answer_too(gateway: Gateway) -> None:
    completion = gateway.fetch("POST", "/v1/completions", {"model": "practice", "prompt": "say hi"})
    assert completion.status == 200
    assert completion.json()["choices"][0]["text"]
    embedding = gateway.fetch("POST", "/v1/embeddings", {"model": "practice", "input": ["a", "b"]})
    assert embedding.status == 200
    assert [row["index"] for row in embedding.json()["data"]] == [0, 1]


def test_count_tokens_answers_for_the_practice_model(gateway: Gateway) -> None:
    answer = gateway.fetch("POST", "/v1/messages/count_tokens", MESSAGES.ask("practice"))
    assert answer.status == 200, answer.body
    assert answer.json()["input_tokens"] > 0


@pytest.mark.parametrize(
    "path",
    [
        "/chat/completions",
        "/v1/v1/chat/completions",
        "/v1/chat/completions?beta=true&x=%20",
        "/v1/chat/completions?",
    ],
)
def test_a_base_url_with_or_without_v1_works_for_chat(gateway: Gateway, path: str) -> None:
    answer = gateway.fetch("POST", path, CHAT.ask("practice"))
    assert answer.status == 200, answer.body
    assert CHAT.text(answer.json())


@pytest.mark.parametrize("path", ["/messages", "/v1/v1/messages", "/v1/messages?beta=true"])
def test_a_base_url_with_or_without_v1_works_for_messages(gateway: Gateway, path: str) -> None:
    answer = gateway.fetch("POST", path, MESSAGES.ask("practice"))
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("path", ["/responses", "/v1/v1/responses"])
def test_a_base_url_with_or_without_v1_works_for_responses(gateway: Gateway, path: str) -> None:
    assert gateway.fetch("POST", path, {"model": "practice", "input": "hi"}).status == 200


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_an_unknown_model_is_a_404_that_names_the_command_to_add_it(gateway: Gateway, wire: Wire) -> None:
    answer = gateway.fetch("POST", wire.path, wire.ask("nobody-has-this"))
    assert answer.status == 404
    message = wire.check_error(answer.json())
    assert "nobody-has-this" in message
    assert "pointsman mapping add" in message
    if wire is not MESSAGES:
        assert answer.json()["error"]["code"] == "model_not_found"
    else:
        assert answer.json()["error"]["type"] == "not_found_error"


def test_a_path_that_cannot_be_routed_is_a_404_in_the_clients_protocol(gateway: Gateway) -> None:
    openai = gateway.fetch("POST", "/v1/no/such/thing", {"a": 1})
    assert openai.status in (400, 404)
    CHAT.check_error(openai.json())
    anthropic = gateway.fetch("POST", "/v1/no/such/thing", {"a": 1}, anthropic_version="2023-06-01")
    assert anthropic.status in (400, 404)
    MESSAGES.check_error(anthropic.json())


@pytest.mark.parametrize("wire", WIRES, ids=repr)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_wrong_method_on_a_known_path_is_told_so(gateway: Gateway, wire: Wire, method: str) -> None:
    answer = gateway.fetch(method, wire.path)
    assert answer.status in (404, 405)
    wire.check_error(answer.json())


def test_probes_answer(gateway: Gateway) -> None:
    assert gateway.fetch("GET", "/livez").status == 200
    assert gateway.fetch("GET", "/readyz").status == 200
    metrics = gateway.fetch("GET", "/metrics")
    assert metrics.status == 200
    assert b"pointsman" in metrics.body


@pytest.mark.parametrize("path", ["/", "/api/hello"])
def test_head_probes_of_clients_answer_200(gateway: Gateway, path: str) -> None:
    answer = gateway.fetch("HEAD", path)
    assert answer.status == 200
    assert answer.body == b""


def test_a_browser_is_sent_to_the_page(gateway: Gateway) -> None:
    answer = gateway.fetch("GET", "/", accept="text/html,application/xhtml+xml")
    assert answer.status in (302, 303, 307, 308)
    assert (answer.header("location") or "").endswith("/ui")


def test_the_page_is_html_with_a_strict_content_policy(gateway: Gateway) -> None:
    assert gateway.fetch("GET", "/ui", accept="text/html").status == 303
    answer = gateway.fetch("GET", "/ui/sign-in", accept="text/html")
    assert answer.status == 200
    assert (answer.header("content-type") or "").startswith("text/html")
    policy = answer.header("content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.header("x-content-type-options") == "nosniff"
    assert b"admin-token" in answer.body, "where the word is that opens the pages"


def test_openapi_document_lists_the_contract(gateway: Gateway) -> None:
    document = gateway.api("GET", "/api/openapi.json")
    assert {
        "/api/mappings",
        "/api/credentials",
        "/api/local",
        "/api/keys",
        "/api/usage",
        "/api/explain",
    } <= set(document["paths"])
