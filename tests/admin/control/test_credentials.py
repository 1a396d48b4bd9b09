"""`/api/credentials` and `/api/local` over the socket: keys go in, are used, and never come out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pointsman.practice import Reply
from pointsman.practice.scripted import ScriptedUpstream
from pointsman.secret import Secret

from .plane import Plane, Worker

Fresh = Callable[[], str]
MODELS = Reply(200, {"content-type": "application/json"}, body={"data": [{"id": "m1"}, {"id": "m2"}]})


def test_a_credential_is_put_replaced_and_removed(plane: Plane, worker: Worker, fresh: Fresh) -> None:
    name = fresh()
    path = f"/api/credentials/openai/{name}"
    made = plane.good("PUT", path, {"api_key": "sk-one"}, 200)
    assert (made["backend_type"], made["name"], made["base_url"]) == ("openai", name, None)
    spec = next(b for b in worker.snapshot.backends if b.key == f"openai/{name}")
    assert (spec.api_key, spec.base_url, spec.auth) == (Secret("sk-one"), "https://api.openai.com", "bearer")
    again = plane.good("PUT", path, {"backend_type": "openai", "name": name, "api_key": "sk-two"}, 200)
    assert again["id"] == made["id"]
    assert again["key_fingerprint"] != made["key_fingerprint"]
    spec = next(b for b in worker.snapshot.backends if b.key == f"openai/{name}")
    assert spec.api_key == Secret("sk-two")
    assert plane.good("GET", path)["id"] == made["id"]
    assert name in [row["name"] for row in plane.good("GET", "/api/credentials")]
    plane.good("DELETE", path, status=204)
    plane.problem("DELETE", path, status=404)
    assert f"openai/{name}" not in [b.key for b in worker.snapshot.backends]


def test_a_post_makes_one_and_refuses_a_second(plane: Plane, fresh: Fresh) -> None:
    body = {"backend_type": "anthropic", "name": fresh(), "api_key": "sk-a"}
    said = plane.call("POST", "/api/credentials", body)
    assert said.status == 201
    assert said.headers["location"] == f"/api/credentials/anthropic/{body['name']}"
    assert plane.problem("POST", "/api/credentials", body, 409)["code"] == "conflict"


def test_the_default_credential_has_no_name_in_its_path(plane: Plane) -> None:
    assert plane.good("PUT", "/api/credentials/anthropic", {"api_key": "sk-d"})["name"] == ""
    assert plane.good("GET", "/api/credentials/anthropic")["backend_type"] == "anthropic"
    plane.good("DELETE", "/api/credentials/anthropic", status=204)
    plane.problem("GET", "/api/credentials/anthropic", status=404)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("openai/x", {}),
        ("openai/x", {"api_key": ""}),
        ("openai/x", {"api_key": ["sk-quoted-key"]}),
        ("openai/x", {"api_key": "sk-quoted-key", "nonsense": 1}),
        ("openai/x", {"api_key": "sk-quoted-key", "base_url": "ftp://x"}),
        ("openai/x", {"api_key": "sk-quoted-key", "base_url": "http://93.184.216.34"}),
        ("openai/x", {"api_key": "sk-quoted-key", "base_url": "https://169.254.169.254"}),
        ("openai/x", {"api_key": "sk-quoted-key", "name": "y"}),
        ("openai/x", {"api_key": "sk-quoted-key", "backend_type": "anthropic"}),
        ("openai/Bad%20Name", {"api_key": "sk-quoted-key"}),
        ("local/x", {"api_key": "sk-quoted-key"}),
        ("azure", {"api_key": "sk-quoted-key"}),
        ("openai", ["sk-quoted-key"]),
    ],
)
def test_what_is_not_valid_is_a_422_that_does_not_quote_the_key(plane: Plane, path: str, body: Any) -> None:
    said = plane.call("PUT", f"/api/credentials/{path}", body)
    assert said.status == 422, said.body
    assert said.json()["code"] == "invalid"
    assert b"sk-quoted-key" not in said.body
    assert "sk-quoted-key" not in plane.log()


def test_a_credential_test_says_each_step(plane: Plane, upstream: ScriptedUpstream, fresh: Fresh) -> None:
    path = f"/api/credentials/openai/{fresh()}"
    plane.good("PUT", path, {"api_key": "sk-probe", "base_url": upstream.url})
    upstream.always(MODELS)
    found = plane.good("POST", f"{path}/test", status=200)
    assert found["ok"] is True
    assert found["models"] == ["m1", "m2"]
    assert [step["name"] for step in found["steps"]] == ["dns", "tcp", "auth", "models"]
    assert upstream.requests[-1].headers["authorization"] == "Bearer sk-probe"
    assert upstream.requests[-1].method == "GET"
    upstream.always(Reply(401, body={"error": {"message": "no"}}))
    found = plane.good("POST", f"{path}/test", status=200)
    assert (found["ok"], found["steps"][-1]["name"]) == (False, "auth")
    upstream.kill()
    found = plane.good("POST", f"{path}/test", status=200)
    assert (found["ok"], found["steps"][-1]["name"]) == (False, "tcp")
    assert "sk-probe" not in str(found)


def test_a_credential_test_says_tls_apart_from_tcp(plane: Plane, fresh: Fresh) -> None:
    path = f"/api/credentials/openai/{fresh()}"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_in_plain_text() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(4096)
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer_in_plain_text)
        thread.start()
        try:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            plane.good("PUT", path, {"api_key": "k", "base_url": url})
            found = plane.good("POST", f"{path}/test", status=200)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
    assert [(s["name"], s["ok"]) for s in found["steps"]] == [("dns", True), ("tcp", True), ("tls", False)]


def test_a_credential_test_says_a_name_that_does_not_resolve(plane: Plane, fresh: Fresh) -> None:
    path = f"/api/credentials/openai/{fresh()}"
    plane.good("PUT", path, {"api_key": "k", "base_url": "https://nowhere.invalid"})
    found = plane.good("POST", f"{path}/test", status=200)
    assert [(step["name"], step["ok"]) for step in found["steps"]] == [("dns", False)]


def test_a_test_of_nothing_is_a_404_that_names_the_command(plane: Plane) -> None:
    assert (
        "pointsman credential set openai/none"
        in plane.problem("POST", "/api/credentials/openai/none/test", status=404)["detail"]
    )
    assert "pointsman local add none" in plane.problem("POST", "/api/local/none/test", status=404)["detail"]
    plane.problem("POST", "/api/credentials/anthropic/test", status=404)


def test_a_local_server_is_added_read_changed_and_removed(
    plane: Plane, worker: Worker, upstream: ScriptedUpstream, fresh: Fresh
) -> None:
    name = fresh()
    body = {"name": name, "base_url": f"{upstream.url}/v1/"}
    said = plane.call("POST", "/api/local", body)
    assert (said.status, said.headers["location"]) == (201, f"/api/local/{name}")
    assert said.json()["base_url"] == upstream.url
    assert plane.problem("POST", "/api/local", body, 409)["code"] == "conflict"
    assert plane.good("GET", f"/api/local/{name}")["id"] == said.json()["id"]
    assert f"local/{name}" in [b.key for b in worker.snapshot.backends]
    upstream.always(MODELS)
    assert plane.good("POST", f"/api/local/{name}/test", status=200)["ok"] is True
    assert "authorization" not in upstream.requests[-1].headers
    plane.good("PATCH", f"/api/local/{name}", {"enabled": False})
    assert f"local/{name}" not in [b.key for b in worker.snapshot.backends]
    assert "enable" in plane.problem("POST", f"/api/local/{name}/test", status=409)["detail"]
    plane.good("DELETE", f"/api/local/{name}", status=204)
    plane.problem("GET", f"/api/local/{name}", status=404)


def test_a_changed_origin_needs_the_key_again(plane: Plane, fresh: Fresh) -> None:
    name = fresh()
    plane.good("POST", "/api/local", {"name": name, "base_url": "http://127.0.0.1:9", "api_key": "sk-l"}, 201)
    path = f"/api/local/{name}"
    assert plane.problem("PATCH", path, {"base_url": "http://127.0.0.1:10"})["param"] == "api_key"
    moved = plane.good("PATCH", path, {"base_url": "http://127.0.0.1:10", "api_key": "sk-m"})
    assert moved["base_url"] == "http://127.0.0.1:10"
    assert plane.good("PATCH", path, {"api_key": None})["key_fingerprint"] is None


def test_no_answer_of_any_route_holds_a_key_or_its_ciphertext(plane: Plane, fresh: Fresh) -> None:
    import sqlite3
    from contextlib import closing

    name = fresh()
    plane.good("PUT", f"/api/credentials/openai/{name}", {"api_key": "sk-canary-7"})
    plane.good(
        "POST", "/api/local", {"name": name, "base_url": "http://127.0.0.1:9", "api_key": "sk-canary-8"}
    )
    with closing(sqlite3.connect(plane.data_dir / "pointsman.db")) as database:
        sealed = [row[0] for row in database.execute("SELECT encrypted_api_key FROM cloud_credentials")]
    assert sealed
    paths = [path for path in plane.good("GET", "/api/openapi.json")["paths"] if "{" not in path]
    said = [plane.call("GET", path).body for path in paths]
    said += [
        plane.call("GET", f"/api/local/{name}").body,
        plane.call("GET", f"/api/credentials/openai/{name}").body,
    ]
    said += [plane.call("GET", path).body for path in ("/internal/metrics", "/api/openapi.json")]
    for body in [*said, plane.log().encode()]:
        assert b"sk-canary" not in body
        for text in sealed:
            assert text.encode() not in body
