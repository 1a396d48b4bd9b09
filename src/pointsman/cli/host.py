"""`pointsman host ...`: Host names that clients may use for this gateway."""

from __future__ import annotations

from urllib.parse import quote

import click

from .common import Invocation, note, table, with_options
from .once import Group

_SOURCES = {"stored": "stored", "option": "--allow-host", "environment": "POINTSMAN_ALLOW_HOST"}

_SHOW = table(
    ("host", "host"),
    ("from", lambda row: ", ".join(_SOURCES[source] for source in row["sources"])),
    empty="only this gateway's own addresses are let in; add a name with: pointsman host add HOST",
)


@click.group("host", cls=Group)
def command() -> None:
    """Host names: by which names clients may call this gateway, beside its own address.

    A name that is not let in may be a web page that rebinds its DNS to this machine. What `serve --allow-host` and
    POINTSMAN_ALLOW_HOST name is let in beside these.
    """


@command.command("add")
@click.argument("host")
@with_options
def add(invocation: Invocation, host: str) -> None:
    """Let a name in, at once: pointsman host add box.lan"""
    invocation.finish("POST", "/api/hosts", {"host": host}, show=lambda row: note(f"{row['host']} is let in"))


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List the names that are let in, and who let them in."""
    invocation.finish("GET", "/api/hosts", show=_SHOW)


@command.command("remove")
@click.argument("host")
@with_options
def remove(invocation: Invocation, host: str) -> None:
    """Let a name in no more, at once."""
    invocation.finish("DELETE", f"/api/hosts/{quote(host, safe='')}", show=lambda _: note(f"removed: {host}"))
