"""`pointsman node ...`: the gateways on one PostgreSQL."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from .common import Invocation, local_time, table, with_options
from .once import Group

_SHOW = table(
    ("node", lambda row: f"{row['name']} (this)" if row["this"] else row["name"]),
    ("state", "state"),
    ("version", "version"),
    ("since", lambda row: local_time(row["started_at"])),
    ("behind", "behind"),
    ("in flight", "in_flight"),
    ("requests", "requests"),
    ("url", "url"),
    ("for nodes", lambda row: row["reach"] or None),
    ("problems", lambda row: "; ".join(row["problems"]) or None),
    empty="this gateway is alone: its database is a file. Several share a PostgreSQL: docs/scale.md",
)


@click.group("node", cls=Group)
def command() -> None:
    """Gateways that share one PostgreSQL.

    \b
    pointsman node list
    pointsman node drain n2
    """


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List the nodes: who lives, since when, how far behind the newest rules."""
    invocation.finish("GET", "/api/nodes", show=_SHOW)


@command.command("drain")
@click.argument("name")
@with_options
def drain(invocation: Invocation, name: str) -> None:
    """Let a node take no new clients: /readyz says 503 there, and what it has is finished. A restart ends it."""
    _tell(invocation, name, draining=True)


@command.command("undrain")
@click.argument("name")
@with_options
def undrain(invocation: Invocation, name: str) -> None:
    """Let a node take clients again."""
    _tell(invocation, name, draining=False)


def _tell(invocation: Invocation, name: str, *, draining: bool) -> None:
    body: dict[str, Any] = {"draining": draining}
    invocation.finish("PATCH", f"/api/nodes/{quote(name, safe='')}", body, show=_SHOW)
