"""`pointsman capture ...`: the bodies of some requests, kept for a while to look into."""

from __future__ import annotations

from typing import Any

import click

from .common import Invocation, MemoryParam, local_time, note, table, with_options
from .once import Group
from .when import seconds_of

_SHOW = table(
    ("id", lambda row: row["id"]),
    ("of", lambda row: f"rule {row['mapping_id']}" if row["mapping_id"] else f"key {row['key_id']}"),
    ("until", lambda row: local_time(row["until"])),
    ("bytes", lambda row: row["most_bytes"]),
    empty="nothing is captured; begin with: pointsman capture start --mapping ID",
)
_REQUESTS = table(
    ("request", "request_id"),
    ("at", lambda row: local_time(row["at"])),
    ("model", "model"),
    ("target", "target"),
    ("status", lambda row: row["status"]),
    ("asked", lambda row: row["asked_size"]),
    ("answered", lambda row: row["answered_size"]),
    empty="no request's bodies are kept",
)


@click.group("capture", cls=Group)
def command() -> None:
    """Bodies: keep those of some requests for a while, to look into them.

    Off unless it is started, for one rule or one client key, for a day at most. They are sealed with the master key, and
    shown without what looks like a key, an address or a number of a card.
    """


@command.command("start")
@click.option(
    "--mapping", "mapping_id", type=click.IntRange(min=1), metavar="ID", help="Of this rule's requests."
)
@click.option(
    "--key", "key_id", type=click.IntRange(min=1), metavar="ID", help="Of requests with this client key."
)
@click.option("--for", "time", default="1h", metavar="TIME", help="For so long: 30m, 1h, 1d at most.")
@click.option(
    "--bytes",
    "most",
    type=MemoryParam(),
    default="256KiB",
    help="Of each body; what is longer is cut (1MiB at most).",
)
@with_options
def start(invocation: Invocation, mapping_id: int | None, key_id: int | None, time: str, most: int) -> None:
    """Keep bodies from now on.

    \b
    pointsman capture start --mapping 3 --for 30m
    pointsman capture start --key 5 --bytes 1MiB
    """
    body: dict[str, Any] = {"minutes": max(1, round(seconds_of(time) / 60)), "most_bytes": most}
    body |= {"mapping_id": mapping_id, "key_id": key_id}
    invocation.finish("POST", "/api/captures", body, show=_show_new)


@command.command("stop")
@click.argument("capture", metavar="ID", type=click.IntRange(min=1))
@with_options
def stop(invocation: Invocation, capture: int) -> None:
    """Keep no more. What was kept stays until it is a day old, or cleared."""
    invocation.finish(
        "DELETE", f"/api/captures/{capture}", show=lambda _: note(f"stopped: capture {capture}")
    )


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List whose bodies are kept now."""
    invocation.finish("GET", "/api/captures", show=_SHOW)


@command.command("requests")
@with_options
def requests(invocation: Invocation) -> None:
    """List the requests whose bodies are kept, the newest first."""
    invocation.finish("GET", "/api/captured", show=_REQUESTS)


@command.command("show")
@click.argument("request", metavar="REQUEST_ID")
@with_options
def show(invocation: Invocation, request: str) -> None:
    """Show what was asked and answered, redacted."""
    from urllib.parse import quote

    invocation.finish("GET", f"/api/captured/{quote(request, safe='')}", show=_show_bodies)


@command.command("forget")
@click.argument("request", metavar="REQUEST_ID")
@with_options
def forget(invocation: Invocation, request: str) -> None:
    """Take out the bodies of one request."""
    from urllib.parse import quote

    invocation.finish(
        "DELETE",
        f"/api/captured/{quote(request, safe='')}",
        show=lambda _: note(f"nothing is kept of {request} any more"),
    )


@command.command("clear")
@with_options
def clear(invocation: Invocation) -> None:
    """Take out all bodies that are kept."""
    invocation.finish("DELETE", "/api/captured", show=lambda _: note("all captured bodies are gone"))


def _show_new(row: dict[str, Any]) -> None:
    note(
        f"capture {row['id']}: bodies are kept until {local_time(row['until'])}; see: pointsman capture requests"
    )


def _show_bodies(row: dict[str, Any]) -> None:
    for what in ("asked", "answered"):
        cut = ", cut" if row[f"{what}_cut"] else ""
        click.echo(f"--- {what} ({row[f'{what}_size']} bytes{cut})")
        click.echo(row[what])
