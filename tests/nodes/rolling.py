"""Nodes rolled one by one to another version, changes made on old and new ones meanwhile, and one of them back again. Not
here: the other version (next_version.py)."""

from __future__ import annotations

import random
from pathlib import Path

import pointsman
from tests.e2e.gateway import wait_until

from .next_version import REVISION, VERSION, next_version
from .site import DATABASE, NODES, Site
from .troubles import Trouble

_SERVED_SECONDS = 20.0
_ROUNDS = 3


def rolled(site: Site, folder: Path) -> Trouble:
    """folder: an empty one, of which the next version is run."""
    trouble = Trouble(
        "all nodes rolled to another version",
        "all nodes, one after another: SIGTERM, and started again as another version, whose first one migrates the database;"
        " rules added by each version are served by all; then one goes back to the version before",
        lambda: _roll(site, str(next_version(folder)), trouble),
        lambda: None,
        0.0,
    )
    return trouble


def _roll(site: Site, path: str, trouble: Trouble) -> None:
    both = 0
    for at, node in enumerate(NODES):
        _restart(site, node, path, trouble)
        if at + 1 < len(NODES):
            both += _changed_by_both(site, NODES[0], NODES[-1], trouble)
    ((revision,),) = site.cluster.run("SELECT version_num FROM alembic_version", DATABASE)
    if revision != REVISION:
        trouble.wrong.append(f"the database has the tables of {revision}")
    _restart(site, NODES[0], None, trouble)
    both += _changed_by_both(site, NODES[-1], NODES[0], trouble)
    trouble.seen["rules added by each version and served by all"] = both


def _restart(site: Site, node: str, path: str | None, trouble: Trouble) -> None:
    """path: where its version is; None: where it was from the beginning."""
    gateway = site.gateways[node]
    code = gateway.stop(60)
    if code:
        trouble.wrong.append(f"{node} ended with {code}")
    gateway.env.pop("PYTHONPATH", None)
    if path:
        gateway.env["PYTHONPATH"] = path
    site.start(node)
    listed = {one["name"]: one["version"] for one in site.get(node, "/api/nodes")}
    expected = VERSION if path else pointsman.__version__
    if listed[node] != expected:
        trouble.wrong.append(f"{node} runs {listed[node]} instead of {expected}")


def _changed_by_both(site: Site, new: str, old: str, trouble: Trouble) -> int:
    """How many rules were added by a node of each version, and are served by all."""
    names = {f"v{random.getrandbits(40):x}": node for _ in range(_ROUNDS) for node in (new, old)}
    for name, node in names.items():
        answer = site.add(node, name)
        if answer.status == 201:
            trouble.taken.add(name)
        else:
            trouble.wrong.append(f"{node} answered {answer.status} to a change: {answer.body[:200]!r}")
    wait_until(
        "rules of both versions on all",
        lambda: all((site.served(node) or frozenset()) >= trouble.taken for node in NODES),
        _SERVED_SECONDS,
    )
    return len(names)
