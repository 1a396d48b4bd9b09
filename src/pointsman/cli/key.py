"""`pointsman key ...`: client keys."""

from __future__ import annotations

from typing import Any

import click

from .common import Invocation, local_time, note, table, with_options
from .once import Group

_SHOW = table(
    ("id", "id"),
    ("name", lambda row: row["name"] or None),
    ("key", lambda row: f"{row['prefix']}..."),
    ("created", lambda row: local_time(row["created_at"])),
    ("revoked", lambda row: local_time(row["revoked_at"])),
    empty="there is no client key: everybody on this computer may use the gateway",
)


@click.group("key", cls=Group)
def command() -> None:
    """Client keys: who may use the gateway.

    Without any, everybody on this computer may. From the first one on a key is needed, also after the last
    is revoked.
    """


@command.command("create")
@click.option("--name", default="", help="Whose it is, for lists and usage.")
@with_options
def create(invocation: Invocation, name: str) -> None:
    """Make a key. It is printed once and stored nowhere."""
    invocation.finish("POST", "/api/keys", {"name": name}, show=_show_new)


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List the keys by their first characters."""
    invocation.finish("GET", "/api/keys", show=_SHOW)


@command.command("revoke")
@click.argument("key_id", metavar="ID", type=int)
@with_options
def revoke(invocation: Invocation, key_id: int) -> None:
    """Make a key worthless at once."""
    invocation.finish("DELETE", f"/api/keys/{key_id}", show=lambda _: note(f"key {key_id} is revoked"))


def _show_new(row: dict[str, Any]) -> None:
    note(f"key {row['id']}; this is the only time it is shown:")
    click.echo(row["secret"])
