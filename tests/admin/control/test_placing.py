"""Where a backend that belongs to a node is asked, and why it is not."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from pointsman.admin.control.placing import placed, served
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret

KEY = Secret("of-all")
EVERYBODYS = BackendSpec("local/all", "local", "all", "http://127.0.0.1:1")
ROW = BackendSpec(
    "local/box", "local", "box", "unix:///pointsman-engine/box", api_key=Secret("own"), engine="box", allow_http=True,
    proxy="http://proxy:1", ca_file="/ca.pem", node="n1",
)  # fmt: skip


def test_what_belongs_to_nobody_is_left_alone() -> None:
    assert placed([EVERYBODYS], "n2", {}, None) == (EVERYBODYS,)
    assert served([EVERYBODYS], "n2", KEY) is None, "it has no such path"


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
