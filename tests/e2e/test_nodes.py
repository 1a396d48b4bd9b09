"""Two gateways on one PostgreSQL, as their users meet them: by the command line, by HTTP, by a signal."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.postgres import Cluster

from .gateway import POINTSMAN, Gateway, clean_environment

LEAVE = 3.0


@pytest.fixture(scope="module")
def two(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Gateway]]:
    env = {"POINTSMAN_DATABASE_URL": cluster.database(), "POINTSMAN_LEAVE_SECONDS": str(LEAVE)}
    folder = tmp_path_factory.mktemp("nodes")
    with ExitStack() as stack:
        first = stack.enter_context(Gateway(folder / "n1", "--node", "n1", env=env))
        (folder / "n2").mkdir(mode=0o700)
        shutil.copy(folder / "n1" / "master.key", folder / "n2" / "master.key")
        yield (
            first,
            stack.enter_context(Gateway(folder / "n2", "--node", "n2", env=env, expect_clean_log=False)),
        )


def command(gateway: Gateway, *words: str) -> Any:
    done = subprocess.run(
        [POINTSMAN, *words, "--data-dir", str(gateway.data_dir), "--json"],
        env=clean_environment(gateway.env), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def ask(gateway: Gateway, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    parts = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(
            "GET" if body is None else "POST", path, text, {"content-type": "application/json"}
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def chat(gateway: Gateway, model: str) -> int:
    return ask(
        gateway, "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    )[0]


def eventually(done: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.05)


def test_a_rule_added_by_one_is_served_by_the_other_when_the_command_returns(
    two: tuple[Gateway, Gateway],
) -> None:
    first, second = two
    assert chat(second, "shared") == 404
    command(first, "mapping", "add", "shared", "--to", "local/practice")
    assert chat(second, "shared") == 200
    assert [row["model_pattern"] for row in command(second, "mapping", "list")] == ["shared"]


def test_the_nodes_are_listed_with_what_they_do(two: tuple[Gateway, Gateway]) -> None:
    first, second = two
    rows = command(second, "node", "list")
    assert [(row["name"], row["state"], row["this"]) for row in rows] == [
        ("n1", "live", False),
        ("n2", "live", True),
    ]
    assert [row["url"].rstrip("/") for row in rows] == [first.url, second.url]
    assert json.loads(ask(second, "/readyz")[1])["status"] == "ready"


def test_metrics_are_told_summed_and_by_node(two: tuple[Gateway, Gateway]) -> None:
    first, second = two
    command(first, "mapping", "add", "counted", "--to", "local/practice")
    assert [chat(one, "counted") for one in (first, second, second)] == [200, 200, 200]

    def line(which: str, start: str) -> list[float]:
        text = ask(first, f"/metrics?nodes={which}")[1]
        return [
            float(row.rpartition(" ")[2])
            for row in text.splitlines()
            if row.startswith(start) and 'route="counted"' in row
        ]

    eventually(lambda: line("sum", "pointsman_requests_total{") == [3.0])
    assert line("each", 'pointsman_requests_total{node="n1"') == [1.0]
    assert line("each", 'pointsman_requests_total{node="n2"') == [2.0]


def test_a_node_told_to_drain_serves_on_and_is_out_of_readyz(two: tuple[Gateway, Gateway]) -> None:
    first, second = two
    command(first, "mapping", "add", "on", "--to", "local/practice")
    command(first, "node", "drain", "n2")
    eventually(lambda: ask(second, "/readyz")[0] == 503)
    assert json.loads(ask(second, "/readyz")[1])["status"] == "draining"
    assert chat(second, "on") == 200
    assert ask(first, "/readyz")[0] == 200
    command(first, "node", "undrain", "n2")
    eventually(lambda: ask(second, "/readyz")[0] == 200)


def test_a_node_that_stops_serves_whom_a_balancer_still_sends(two: tuple[Gateway, Gateway]) -> None:
    """Last of this file: it ends the second one."""
    first, second = two
    command(first, "mapping", "add", "last", "--to", "local/practice")
    parts = urlsplit(second.url)
    kept = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    body = json.dumps({"model": "last", "messages": [{"role": "user", "content": "hi"}]})

    def on_it() -> http.client.HTTPResponse:
        kept.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        answer = kept.getresponse()
        answer.read()
        return answer

    assert on_it().status == 200
    second.terminate()
    eventually(lambda: ask(second, "/readyz")[0] == 503, LEAVE)
    assert chat(second, "last") == 200, "a new connection"
    answer = on_it()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert second.process is not None
    assert second.process.wait(20) == 0
    eventually(lambda: [row["name"] for row in command(first, "node", "list")] == ["n1"])
