"""Local backends that belong to a node, and nodes that rules name, as each node has them: its own as they are, and all
others a path of their gateway, with the key by which nodes know each other.

Pure. Not here: who lives and where (nodes.py), and what the owner does with such a request (gateway/request/by_node.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import msgspec

from ...kinds import NODE, AuthScheme, BackendType
from ...link.messages import Snapshot
from ...link.node_spec import NodeSpec
from ...providers.catalog import CATALOG
from ...providers.proxies import NONE
from ...providers.urls import node_url
from ...routing.specs import BackendSpec, MappingSpec, TargetSpec
from ...secret import Secret

LABEL = b"pointsman node key"
"""What the node key is derived from the master key by: nothing is stored, and a rotation changes it for all."""
ANY = "*"
"""Among the names of nodes that are followed: all of them."""
_ONE, _WHOLE = "/node/local/", "/node/any"
_NOWHERE = "http://node.invalid"
"""Of one that cannot be reached: a name that nobody ever has (RFC 6761)."""


def followed(snapshot: Snapshot, own: str) -> frozenset[str]:
    """The other nodes that anything in it belongs to, or is sent to."""
    return (frozenset(one.node for one in snapshot.backends if one.node) | _named(snapshot.mappings)) - {own}


def placed(snapshot: Snapshot, own: str | None, urls: Mapping[str, str], key: Secret | None) -> Snapshot:
    """own: this node's name, "" while it is none yet, None of a gateway that is alone. urls: of the other nodes that live,
    "" where one has not said how it is reached. key: None where there is no master key."""
    rows, named = snapshot.backends, _named(snapshot.mappings)
    if not named and all(one.node is None for one in rows):
        return snapshot
    backends = tuple(one if one.node is None else _placed(one, own, urls, key) for one in rows)
    names = tuple(one.name for one in rows if own and one.node == own)
    whole = own in named or ANY in named
    serves = NodeSpec(own, key, names, whole) if own and key is not None and (names or whole) else None
    return msgspec.structs.replace(
        snapshot,
        mappings=tuple(_at_home(one, own) for one in snapshot.mappings),
        backends=(*backends, *_gateways(named, own, urls, key)),
        node=serves,
    )


def _named(rules: Iterable[MappingSpec]) -> frozenset[str]:
    """The nodes that rules name, ANY where one names whichever it is."""
    targets = (target.backend for rule in rules for target in rule.targets)
    return frozenset(key.removeprefix(NODE) for key in targets if key.startswith(NODE))


def _at_home(rule: MappingSpec, own: str | None) -> MappingSpec:
    """A rule that names this node itself means its own local servers."""
    if not own or all(target.backend != NODE + own for target in rule.targets):
        return rule
    local = BackendType.LOCAL.value
    targets = tuple(TargetSpec(local, t.model) if t.backend == NODE + own else t for t in rule.targets)
    return msgspec.structs.replace(rule, targets=targets)


def _gateways(
    named: Iterable[str], own: str | None, urls: Mapping[str, str], key: Secret | None
) -> list[BackendSpec]:
    """The nodes that are sent to as a whole, in an order of this node's own, so that not all ask the same one first."""
    wanted = {name for name in named if name != ANY} | (set(urls) if ANY in named else set())
    order = sorted(wanted - {own}, key=lambda name: blake2b(f"{own} {name}".encode()).digest())
    return [_gateway(name, own, urls, key) for name in order]


def _gateway(node: str, own: str | None, urls: Mapping[str, str], key: Secret | None) -> BackendSpec:
    name = NODE + node
    kind = BackendType.LOCAL
    usage = CATALOG[kind].stream_usage
    spec = BackendSpec(key=name, type=kind.value, name=name, base_url="", stream_usage=usage, node=node)
    problem = "this gateway is alone, and knows of no other" if own is None else _problem(node, urls, key)
    return _by_gateway(spec, _WHOLE, problem, urls, key)


def _placed(spec: BackendSpec, own: str | None, urls: Mapping[str, str], key: Secret | None) -> BackendSpec:
    assert spec.node is not None
    if spec.node == own:
        return msgspec.structs.replace(spec, node=None)
    problem = (
        f"it belongs to the node {spec.node}, and this gateway is alone; if it is at this one:"
        f" pointsman local update {spec.name} --no-node"
    )
    if own is not None:
        problem = _problem(spec.node, urls, key) or ""
    return _by_gateway(spec, _ONE + spec.name, problem or None, urls, key)


def _by_gateway(
    spec: BackendSpec, path: str, problem: str | None, urls: Mapping[str, str], key: Secret | None
) -> BackendSpec:
    url = _NOWHERE if problem is not None else urls[spec.node or ""]
    return msgspec.structs.replace(
        spec,
        base_url=f"{url}{path}/v1",
        auth=AuthScheme.BEARER.value,
        api_key=None if problem is not None else key,
        problem=problem,
        engine=None,
        allow_http=False,
        proxy=NONE,
        ca_file=None,
    )


def _problem(node: str, urls: Mapping[str, str], key: Secret | None) -> str | None:
    """Why this gateway cannot ask that node, with the fix."""
    if key is None:
        return f"it is at the node {node}, and this one does not have the master key of all"
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
