"""nginx and HAProxy as deploy/ has them: an agent's session stays at one node, and who dies or drains is passed by."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pointsman.dialects.registry import session_headers

from .balancers import FILES, Node, ask, balancer, checked

HEADERS = [name.decode() for name in session_headers()]
MODELS = "/v1/chat/completions"


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    found = [Node(f"node{number}") for number in (1, 2, 3)]
    for node in found:
        node.start()
    yield found
    for node in found:
        node.stop()


@pytest.fixture(scope="module", params=[*FILES])
def at(
    request: pytest.FixtureRequest, nodes: list[Node], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(
            balancer(request.param, [node.port for node in nodes], tmp_path_factory.mktemp(request.param))
        )


def homes(at: str, count: int = 12) -> dict[str, str]:
    """session -> the node that has it."""
    return {f"s{n}": ask(at, MODELS, {HEADERS[0]: f"s{n}"}, "{}") for n in range(count)}


def eventually(at: str, session: str, wanted: set[str]) -> None:
    until = time.monotonic() + 15
    while (said := ask(at, MODELS, {HEADERS[0]: session}, "{}")) not in wanted:
        assert time.monotonic() < until, said
        time.sleep(0.1)


@pytest.mark.parametrize("which", [*FILES])
def test_the_programs_take_their_files(which: str) -> None:
    done = checked(which, FILES[which])
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower() + done.stdout.lower()


@pytest.mark.parametrize("header", HEADERS)
def test_a_session_of_any_agent_stays_at_one_node(header: str, at: str, nodes: list[Node]) -> None:
    for node in nodes:
        node.heads.clear()
    found = {s: {ask(at, MODELS, {header: s}, "{}") for _ in range(4)} for s in map(str, range(12))}
    assert {len(seen) for seen in found.values()} == {1}
    assert len(set.union(*found.values())) > 1, "all sessions are at one node"
    came = [head.get(header) for node in nodes for head in node.heads]
    assert sorted(map(str, came)) == sorted(4 * [*found]), "a node does not see the header"


def test_who_names_no_session_goes_to_any_node(at: str) -> None:
    counted = Counter(ask(at, MODELS, {"authorization": "Bearer one"}, "{}") for _ in range(40))
    assert set(counted) == {"node1", "node2", "node3"}


def test_a_session_whose_node_dies_goes_on_at_another_and_comes_back(at: str, nodes: list[Node]) -> None:
    before = homes(at)
    gone = next(node for node in nodes if node.name == before["s0"])
    gone.stop()
    meanwhile = homes(at)
    assert set(meanwhile.values()) <= {"node1", "node2", "node3"} - {gone.name}, "a request failed"
    assert all(meanwhile[s] == home for s, home in before.items() if home != gone.name), "others moved, too"
    gone.start()
    eventually(at, "s0", {gone.name})


def test_a_request_whose_node_dies_before_its_answer_is_asked_of_another_by_nginx(
    at: str, nodes: list[Node], request: pytest.FixtureRequest
) -> None:
    """A node that was killed cost its clients whatever it had under way. HAProxy's retry would find the same node again."""
    home = next(node for node in nodes if node.name == ask(at, MODELS, {HEADERS[0]: "once"}, "{}"))
    again = "nginx" in request.node.callspec.id
    home.rude = True
    try:
        others = {node.name for node in nodes if node is not home}
        assert ask(at, MODELS, {HEADERS[0]: "once"}, "{}") in (others if again else {"502"})
    finally:
        home.rude = False
    eventually(at, "once", {home.name})


def test_pages_are_at_one_node_and_ollamas_paths_are_not(at: str) -> None:
    for path in ("/", "/ui", "/ui/keys", "/api/mappings"):
        assert {ask(at, path) for _ in range(4)} == {"node1"}
    assert len({ask(at, "/api/chat", body="{}") for _ in range(40)}) == 3


def test_a_node_that_drains_is_left_by_haproxy_and_serves_on_behind_nginx(
    at: str, nodes: list[Node], request: pytest.FixtureRequest
) -> None:
    """Free nginx asks nobody's /readyz: a node that stops serves its clients until it is gone."""
    home = next(node for node in nodes if node.name == ask(at, MODELS, {HEADERS[0]: "d"}, "{}"))
    others = {node.name for node in nodes if node is not home}
    asked = "haproxy" in request.node.callspec.id
    home.ready = False
    try:
        eventually(at, "d", others if asked else {home.name})
    finally:
        home.ready = True
    eventually(at, "d", {home.name})


def test_a_change_that_a_node_may_have_begun_is_not_sent_to_another(at: str, nodes: list[Node]) -> None:
    """Last of this file: nginx leaves the pages' first node alone for a while then."""
    for node in nodes:
        node.heads.clear()
    nodes[0].rude = True
    try:
        assert ask(at, "/api/mappings", body="{}") == "502"
        assert [len(node.heads) for node in nodes[1:]] == [0, 0]
    finally:
        nodes[0].rude = False
