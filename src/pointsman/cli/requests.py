"""`pointsman requests`: what runs now, and the end of one of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from .common import Invocation, local_time, note, table, with_options
from .once import Group

_RUNNING = table(
    ("request", "id"),
    ("since", lambda row: local_time(row["at"])),
    ("model", lambda row: row["model"] or None),
    ("target", "target"),
    ("try", lambda row: row["attempt"] or None),
    ("output", lambda row: "yes" if row["output"] else "not yet"),
    ("client", lambda row: row["client"] or None),
    ("key", "key_id"),
    empty="nothing runs now",
)


@click.group("requests", cls=Group)
def command() -> None:
    """Requests that run now. What has run: pointsman usage."""


@command.command("running")
@with_options
def running(invocation: Invocation) -> None:
    """Show them, the newest first."""
    invocation.finish("GET", "/api/requests/running", show=_show)


@command.command("cancel")
@click.argument("request", metavar="ID")
@with_options
def cancel(invocation: Invocation, request: str) -> None:
    """End one. Its client is told so, and its usage record says `cancelled`."""
    invocation.finish(
        "POST",
        f"/api/requests/{quote(request, safe='')}/cancel",
        show=lambda _: note(f"cancelled: {request}"),
    )


def _show(found: Any) -> None:
    _RUNNING(found["requests"])
    if found["count"] > len(found["requests"]):
        note(f"{found['count']} run in all; shown are those that have run longest")
