"""Local backends that belong to a node, as each node has them: the owner's own as they are, and on all others a path of the
owner's gateway, with the key by which nodes know each other.

Pure. Not here: who lives and where (nodes.py), and what the owner does with such a request (gateway/own/by_node.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ...kinds import AuthScheme
from ...link.node_spec import NodeSpec
from ...providers.proxies import NONE
from ...providers.urls import node_url
from ...routing.specs import BackendSpec
from ...secret import Secret

LABEL = b"pointsman node key"
"""What the node key is derived from the master key by: nothing is stored, and a rotation changes it for all."""
PATH = "/node/local/"
_NOWHERE = "http://node.invalid"
"""Of one that cannot be reached: a name that nobody ever has (RFC 6761)."""


def owners(specs: Iterable[BackendSpec]) -> frozenset[str]:
    """The nodes that have any of these."""
    return frozenset(spec.node for spec in specs if spec.node is not None)


def served(specs: Iterable[BackendSpec], own: str, key: Secret | None) -> NodeSpec | None:
    """What others may ask this node for; None where that is nothing. key: None where there is no master key."""
    if not own or key is None:
        return None
    names = tuple(spec.name for spec in specs if spec.node == own)
    return NodeSpec(own, key, names) if names else None


def placed(
    specs: Iterable[BackendSpec], own: str | None, urls: Mapping[str, str], key: Secret | None
) -> tuple[BackendSpec, ...]:
    """own: this node's name, "" while it is none yet, None of a gateway that is alone. urls: of the other nodes that live,
    "" where one has not said how it is reached."""
    return tuple(spec if spec.node is None else _placed(spec, own, urls, key) for spec in specs)


def _placed(spec: BackendSpec, own: str | None, urls: Mapping[str, str], key: Secret | None) -> BackendSpec:
    assert spec.node is not None
    if spec.node == own:
        return msgspec.structs.replace(spec, node=None)
    problem = _problem(spec.name, spec.node, own, urls, key)
    url = _NOWHERE if problem is not None else urls[spec.node]
    return msgspec.structs.replace(
        spec,
        base_url=f"{url}{PATH}{spec.name}/v1",
        auth=AuthScheme.BEARER.value,
        api_key=None if problem is not None else key,
        problem=problem,
        engine=None,
        allow_http=False,
        proxy=NONE,
        ca_file=None,
    )


def _problem(
    name: str, node: str, own: str | None, urls: Mapping[str, str], key: Secret | None
) -> str | None:
    """Why this gateway cannot ask for it, with the fix."""
    if own is None:
        return (
            f"it belongs to the node {node}, and this gateway is alone; if it is at this one:"
            f" pointsman local update {name} --no-node"
        )
    if key is None:
        return f"it belongs to the node {node}, and this one does not have the master key of all"
    if node not in urls:
        return f"its node {node} does not live; see: pointsman node list"
    if not urls[node]:
        return (
            f"its node {node} has not said where others reach it; start it with --node-url http://HOST:PORT"
            " (or POINTSMAN_NODE_URL)"
        )
    try:
        node_url(urls[node])
    except ValueError as error:
        return f"the address of its node {node} cannot be used: {error}"
    return None
