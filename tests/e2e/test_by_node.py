"""A local backend of one of two gateways on one PostgreSQL, asked through the other one: docs/scale.md#backends-of-one-node."""

from __future__ import annotations

import hmac
import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from pointsman.admin.control.placing import LABEL
from pointsman.admin.vault import MasterKey
from pointsman.practice import ScriptedUpstream
from tests.postgres import Cluster

from .gateway import POINTSMAN, Gateway, clean_environment
from .test_nodes import command, eventually
from .web import free_port

BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50},
    "/v1/responses": {"input": "hi"},
}
LAST = {
    "/v1/chat/completions": "[DONE]",
    "/v1/messages": "message_stop",
    "/v1/responses": "response.completed",
}


@pytest.fixture(scope="module")
def engine() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as found:
        yield found


@pytest.fixture(scope="module")
def two(
    cluster: Cluster, engine: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, Gateway]]:
    """n1 has the engine, n2 asks."""
    env = {"POINTSMAN_DATABASE_URL": cluster.database()}
    folder = tmp_path_factory.mktemp("by-node")
    url = ("--port", str(port := free_port()), "--node-url", f"http://127.0.0.1:{port}")
    with ExitStack() as stack:
        first = stack.enter_context(
            Gateway(folder / "n1", "--node", "n1", *url, env=env, expect_clean_log=False)
        )
        (folder / "n2").mkdir(mode=0o700)
        shutil.copy(folder / "n1" / "master.key", folder / "n2" / "master.key")
        second = stack.enter_context(Gateway(folder / "n2", "--node", "n2", env=env))
        command(second, "local", "add", "box", "--url", engine.url, "--node", "n1")
        command(second, "mapping", "add", "far", "--to", "local/box", "--model", "practice")
        yield first, second


def send(
    gateway: Gateway, path: str, body: dict[str, Any] | None = None, **headers: str
) -> tuple[int, str, dict[str, str]]:
    parts = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        text = None if body is None else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", path, text, named)
        answer = connection.getresponse()
        try:
            said = answer.read()
        except http.client.IncompleteRead as error:
            said = error.partial + b"<cut>"
        return answer.status, said.decode(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def node_key(gateway: Gateway) -> str:
    """As both have it."""
    key = MasterKey.parse((gateway.data_dir / "master.key").read_text())
    assert key.derived(LABEL).reveal() == hmac.digest(key._raw, LABEL, "sha256").hex()
    return key.derived(LABEL).reveal()


def test_three_protocols_whole_and_streamed_by_the_gateway_that_has_the_engine(
    two: tuple[Gateway, Gateway], engine: ScriptedUpstream
) -> None:
    first, second = two
    eventually(
        lambda: (
            "node/n1/box"
            in send(second, "/v1/chat/completions", {"model": "far"} | BODIES["/v1/chat/completions"])[2][
                "x-pointsman-target"
            ]
        )
    )
    engine.forget()
    for path, body in BODIES.items():
        whole = send(second, path, {"model": "far"} | body)
        assert (whole[0], whole[2]["x-pointsman-target"]) == (200, "node/n1/box:practice"), whole
        stream = send(second, path, {"model": "far", "stream": True} | body)
        assert (stream[0], stream[2]["x-pointsman-target"]) == (200, "node/n1/box:practice"), stream
        assert LAST[path] in stream[1], stream
    assert [one.path for one in engine.requests] == [path for path in BODIES for _ in range(2)]
    assert not any(node_key(first) in str(one.headers) for one in engine.requests)
    told = json.dumps(command(second, "explain", "far")) + json.dumps(command(second, "node", "list"))
    assert "by the gateway of the node n1" in told
    assert node_key(first) not in told
    assert node_key(first) not in second.read_log() + first.read_log()


def test_an_engine_of_another_node_is_not_added_here(two: tuple[Gateway, Gateway]) -> None:
    """Its recipe was written where nobody starts it."""
    _, second = two
    words = ["local", "add", "other", "--command", "serve --port {port}", "--serves", "m", "--node", "n1"]
    done = subprocess.run(
        [POINTSMAN, *words, "--data-dir", str(second.data_dir)],
        env=clean_environment(second.env), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "added there" in done.stderr
    assert "this is n2" in done.stderr
    assert "other" not in {row["name"] for row in second.api("GET", "/api/local")}


def test_a_rule_may_name_a_node_or_whichever_has_the_model(two: tuple[Gateway, Gateway]) -> None:
    first, second = two
    path = "/v1/chat/completions"
    for name, target in (("there", "node/n1"), ("anywhere", "node/*")):
        command(first, "mapping", "add", name, "--to", target, "--model", "practice")
        asked = {"model": name} | BODIES[path]
        assert send(first, path, asked)[2]["x-pointsman-target"] == "local/box:practice"
        eventually(
            lambda asked=asked: send(second, path, asked)[2]["x-pointsman-target"] == "node/n1:practice"  # type: ignore[misc]
        )
        assert "by the gateway of the node n1" in str(command(second, "explain", name)["targets"])
    found = {one["id"] for one in json.loads(send(second, "/v1/models")[1])["data"]}
    assert {"far", "there", "anywhere"} <= found


def test_a_stream_that_is_cut_at_the_far_node_is_told_as_cut(
    two: tuple[Gateway, Gateway], engine: ScriptedUpstream
) -> None:
    first, second = two
    command(first, "mapping", "add", "cut", "--to", "local/box", "--model", "practice:cut")
    for path, body in BODIES.items():
        status, said, headers = send(second, path, {"model": "cut", "stream": True} | body)
        assert status == 200, said
        assert headers["x-pointsman-target"] == "node/n1/box:practice:cut"
        assert LAST[path] not in said
        assert "error" in said
    status, said, _ = send(second, "/v1/chat/completions", {"model": "cut"} | BODIES["/v1/chat/completions"])
    assert status == 502, said


def test_usage_is_recorded_once_by_who_asked_and_counts_as_gone_from_its_machine(
    two: tuple[Gateway, Gateway],
) -> None:
    first, second = two
    command(first, "mapping", "add", "once", "--to", "local/box", "--model", "practice")
    path = "/v1/chat/completions"
    by = [send(one, path, {"model": "once"} | BODIES[path])[2]["x-pointsman-target"] for one in two]
    assert by == ["local/box:practice", "node/n1/box:practice"]
    eventually(lambda: [row["requests"] for row in by_model(first, "once")] == [2])
    left = command(first, "usage", "--left-machine", "--model", "once")
    assert [(row["backend"], row["requests"]) for row in left] == [("node/n1/box", 1)]


def by_model(gateway: Gateway, model: str) -> list[dict[str, Any]]:
    return [row for row in command(gateway, "usage", "--by", "model") if row["model"] == model]


def test_only_nodes_use_the_path_and_only_for_backends_of_that_node(
    two: tuple[Gateway, Gateway], engine: ScriptedUpstream
) -> None:
    first, second = two
    command(first, "local", "add", "everybodys", "--url", engine.url)
    command(second, "local", "add", "of-n2", "--url", engine.url, "--node", "n2")
    good = {"authorization": f"Bearer {node_key(first)}"}
    wrong = {"authorization": f"Bearer {node_key(first)[:-1]}x"}
    unknown = send(first, "/node/nothing/here")
    for headers in ({}, wrong):
        found = send(first, "/node/local/box/v1/models", **headers)
        assert (found[0], without_ids(found[1])) == (unknown[0], without_ids(unknown[1]))
        assert send(first, "/node/local/box/v1/chat/completions", {"model": "practice"}, **headers)[0] != 200
    assert unknown[0] == 404
    assert send(second, "/node/local/box/v1/models", **good)[0] == 503, "it is none of its own"
    status, said, _ = send(first, "/node/local/box/v1/models", **good)
    assert status == 200
    assert "practice" in said
    for other in ("everybodys", "nobodys", "..%2fbox"):
        assert send(first, f"/node/local/{other}/v1/models", **good)[0] in (400, 503)


def without_ids(said: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(said).items() if name not in ("request_id", "instance")}


def test_a_wall_keeps_a_request_from_another_nodes_engine(two: tuple[Gateway, Gateway]) -> None:
    """local_only is the machine of the gateway that is asked."""
    first, second = two
    path, body = "/v1/chat/completions", {"model": "near"} | BODIES["/v1/chat/completions"]
    command(first, "mapping", "add", "near", "--to", "local/box", "--model", "practice", "--local-only")
    assert send(first, path, body)[0] == 200
    status, said, _ = send(second, path, body)
    assert status == 502, said
    assert "the rule is local_only, and it belongs to the node n1" in said
    told = command(second, "explain", "near")["targets"][0]
    assert (told["usable"], told["leaves_machine"]) == (False, True)
    assert "local_only: local/box belongs to the node n1" in told["reason"]
    command(first, "mapping", "add", "listed", "--to", "local", "--model", "practice")
    assert send(second, path, body | {"model": "listed"})[2]["x-pointsman-target"] != "node/n1/box:practice"


def test_the_next_target_serves_while_that_node_is_dead_and_no_longer(
    two: tuple[Gateway, Gateway],
) -> None:
    """Last of this file: it kills the first one."""
    first, second = two
    path, body = "/v1/chat/completions", {"model": "both"} | BODIES["/v1/chat/completions"]
    command(
        second,
        "mapping",
        "add",
        "both",
        "--to",
        "local/box",
        "--model",
        "practice",
        "--fallback",
        "local/practice=practice",
    )
    assert send(second, path, body)[2]["x-pointsman-target"] == "node/n1/box:practice"
    first.kill()
    status, said, headers = send(second, path, body)
    assert (status, headers["x-pointsman-target"]) == (200, "local/practice:practice"), said
    eventually(lambda: "does not live" in str(command(second, "explain", "both")["targets"][0]["reason"]))
    assert send(second, path, body)[2]["x-pointsman-target"] == "local/practice:practice"
    first.start()
    eventually(lambda: send(second, path, body)[2]["x-pointsman-target"] == "node/n1/box:practice", 30)
