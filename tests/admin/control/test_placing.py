"""Where a backend that belongs to a node is asked, and why it is not."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from pointsman.admin.control.placing import followed
from pointsman.admin.control.placing import placed as placed_in
from pointsman.link.messages import Snapshot
from pointsman.routing.specs import BackendSpec, MappingSpec, TargetSpec
from pointsman.secret import Secret

KEY = Secret("of-all")
EVERYBODYS = BackendSpec("local/all", "local", "all", "http://127.0.0.1:1")
ROW = BackendSpec(
    "local/box", "local", "box", "unix:///pointsman-engine/box", api_key=Secret("own"), engine="box", allow_http=True,
    proxy="http://proxy:1", ca_file="/ca.pem", node="n1",
)  # fmt: skip


def rules(*targets: str) -> Snapshot:
    """One rule with these."""
    return Snapshot(1, "e", (MappingSpec(1, "*", 0, tuple(TargetSpec(one) for one in targets)),))


def placed(
    rows: list[BackendSpec], own: str | None, urls: Mapping[str, str], key: Secret | None
) -> tuple[BackendSpec, ...]:
    return placed_in(Snapshot(1, "e", backends=tuple(rows)), own, urls, key).backends


def test_what_belongs_to_nobody_is_left_alone() -> None:
    assert placed([EVERYBODYS], "n2", {}, None) == (EVERYBODYS,)
    assert placed_in(Snapshot(1, "e", backends=(EVERYBODYS,)), "n2", {}, KEY).node is None, (
        "it has no such path"
    )


def test_another_nodes_has_the_way_to_that_node_and_nothing_of_its_own() -> None:
    (far,) = placed([ROW], "n2", {"n1": "http://10.0.0.1:4480"}, KEY)
    assert (far.base_url, far.auth, far.api_key) == ("http://10.0.0.1:4480/node/local/box/v1", "bearer", KEY)
    assert (far.engine, far.allow_http, far.proxy, far.ca_file) == (None, False, "none", None)
    assert (far.stays, far.problem) == (False, None)
    (own,) = placed([ROW], "n1", {}, None)
    assert (own.stays, own.base_url, own.engine) == (True, ROW.base_url, "box")


@pytest.mark.parametrize(
    ("own", "urls", "key", "said"),
    [
        (None, {}, KEY, "this gateway is alone; .*pointsman local update box --no-node"),
        ("n2", {}, KEY, "its node n1 does not live; see: pointsman node list"),
        ("", {}, KEY, "its node n1 does not live"),
        ("n2", {"n1": ""}, KEY, "has not said where others reach it; start it with --node-url"),
        ("n2", {"n1": "http://n1:4480"}, None, "does not have the master key of all"),
        ("n2", {"n1": "http://8.8.8.8:4480"}, KEY, "cannot be used: plain http to 8.8.8.8"),
        ("n2", {"n1": "http://169.254.169.254"}, KEY, "cannot be used: 169.254.169.254 is"),
        ("n2", {"n1": "unix:///run/x.sock"}, KEY, "is more than that"),
        ("n2", {"n1": "http://n1:4480/x?y=z"}, KEY, "is more than that"),
    ],
)
def test_why_it_cannot_be_asked_is_said_with_the_fix(
    own: str | None, urls: Mapping[str, str], key: Secret | None, said: str
) -> None:
    (far,) = placed([ROW], own, urls, key)
    assert far.problem is not None
    assert re.search(said, far.problem), far.problem
    assert far.api_key is None
    assert ".invalid" in far.base_url, "nobody is asked by mistake"


def test_a_node_that_a_rule_names_is_itself_at_home_and_a_way_there_elsewhere() -> None:
    asked = rules("node/n1", "openai")
    home = placed_in(asked, "n1", {"n2": "http://n2:4480"}, KEY)
    assert [one.backend for one in home.mappings[0].targets] == ["local", "openai"]
    assert (home.backends, home.node is not None and home.node.whole) == ((), True)
    away = placed_in(asked, "n2", {"n1": "http://n1:4480"}, KEY)
    (gateway,) = away.backends
    assert (gateway.key, gateway.node, gateway.base_url) == ("node/n1", "n1", "http://n1:4480/node/any/v1")
    assert (away.mappings, away.node, followed(asked, "n2")) == (asked.mappings, None, {"n1"})
    (dead,) = placed_in(asked, "n2", {}, KEY).backends
    assert "does not live" in (dead.problem or "")
    (alone,) = placed_in(asked, None, {}, None).backends
    assert "this gateway is alone" in (alone.problem or "")


def test_any_node_is_each_that_lives_and_not_all_ask_the_same_one_first() -> None:
    asked, names = rules("node/*"), [f"n{number}" for number in range(8)]
    first = set()
    for own in names:
        urls = {name: f"http://{name}:1" for name in names if name != own}
        found = placed_in(asked, own, urls, KEY)
        assert {one.key for one in found.backends} == {f"node/{name}" for name in urls}
        assert found.node is not None
        assert found.node.whole
        first.add(found.backends[0].key)
    assert len(first) > 2
    assert followed(asked, "n1") == {"*"}
