"""The nodes of the compose file, without its containers: a PostgreSQL on a socket that asks for a password, three gateways
with the files' own variables that start at once on an empty database, nginx with the file of deploy/ before them."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import postgres
from tests.e2e.gateway import Gateway

from .balancers import ask, balancer
from .test_files import services

PASSWORD = secrets.token_hex(16)
KEY = secrets.token_hex(32)
HBA = "local all postgres trust\nlocal all all scram-sha-256\n"
LEAVE = 1.0


class Place(NamedTuple):
    nodes: list[Gateway]
    at: str


def environment(folder: Path, cluster: postgres.Cluster) -> dict[str, str]:
    """The compose file's, with folders of this test in place of a container's."""
    names = {
        "master-key": secrets.token_hex(32),
        "client-key": KEY,
        "pgpass": f"*:*:pointsman:pointsman:{PASSWORD}\n",
    }
    for name, text in names.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    given: dict[str, str] = services()["node1"]["environment"]
    del given["POINTSMAN_NODE"], given["POINTSMAN_LOCAL_HOST"]
    given = {name: text.replace("/run/secrets", str(folder)) for name, text in given.items()}
    url = given["POINTSMAN_DATABASE_URL"].replace("/run/postgresql", str(cluster.folder))
    return given | {"POINTSMAN_DATABASE_URL": url, "POINTSMAN_LEAVE_SECONDS": f"{LEAVE}s"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if (why := postgres.missing()) is not None:
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("three")
    with ExitStack() as stack:
        cluster = stack.enter_context(postgres.Cluster(hba=HBA))
        cluster.run(f"CREATE ROLE pointsman LOGIN PASSWORD '{PASSWORD}'")
        cluster.run("CREATE DATABASE pointsman OWNER pointsman")
        env = environment(folder, cluster)
        nodes = [Gateway(folder / name, "--node", name, env=env) for name in ("node1", "node2", "node3")]
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda node: stack.enter_context(node), nodes))
        nodes[0].rule("mine", "local/practice")
        at = stack.enter_context(balancer("nginx", [node.port for node in nodes], folder))
        yield Place(nodes, at)


def chat(at: str, session: str, key: str = KEY) -> str:
    """The status, or the answer's own words."""
    headers = {
        "authorization": f"Bearer {key}",
        "content-type": "application/json",
        "x-claude-code-session-id": session,
    }
    body = json.dumps({"model": "mine", "messages": [{"role": "user", "content": "Hello"}]})
    return ask(at, "/v1/chat/completions", headers, body)


def test_three_nodes_that_start_at_once_make_one_gateway(place: Place) -> None:
    first, second, last = place.nodes
    assert [row["name"] for row in first.cli_json("node", "list") if row["state"] == "live"] == [
        "node1",
        "node2",
        "node3",
    ]
    assert len(last.cli_json("key", "list")) == 1, "the client key of the file was taken more than once"
    assert [len(node.cli_json("mapping", "list")) for node in (second, last)] == [1, 1]
    assert chat(place.at, "a", "wrong") == "401"
    assert [json.loads(chat(place.at, str(n)))["object"] for n in range(9)] == 9 * ["chat.completion"]


def test_a_node_that_restarts_behind_nginx_costs_nobody_a_request(place: Place) -> None:
    said: list[str] = []
    done = threading.Event()

    def load(worker: int) -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            said.append(chat(place.at, f"{worker}-{turn % 6}"))

    threads = [threading.Thread(target=load, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    try:
        node = place.nodes[1]
        port = node.port
        node.stop(30)
        node.options = (*node.options, "--port", str(port))
        node.start()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert [one[:300] for one in said if not one.startswith("{")] == []
    assert said
