"""`pointsman origin ...`: web origins whose pages may use the gateway."""

from __future__ import annotations

from typing import Any

import click

from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..wire.origins import parse_origin
from .common import Invocation, local_time, note, table, with_options
from .once import Group

_SOURCES = {"stored": "stored", "option": "--allow-origin", "environment": "POINTSMAN_ALLOW_ORIGIN"}

_SHOW = table(
    ("id", lambda row: row["id"]),
    ("origin", "origin"),
    ("from", lambda row: ", ".join(_SOURCES[source] for source in row["sources"])),
    ("added", lambda row: local_time(row["created_at"]) if row["created_at"] else None),
    empty="no other web page may use the gateway; let one in with: pointsman origin add ORIGIN",
)


@click.group("origin", cls=Group)
def command() -> None:
    """Web origins: which other pages may use the gateway from a browser.

    They get the model paths, never the admin API. What `serve --allow-origin` and POINTSMAN_ALLOW_ORIGIN name is let in
    beside these.
    """


@command.command("add")
@click.argument("origin")
@with_options
def add(invocation: Invocation, origin: str) -> None:
    """Let the pages of an origin in, at once.

    \b
    pointsman origin add https://chat.example
    pointsman origin add 'http://localhost:*'         any port
    pointsman origin add 'https://*.team.example'     every name below
    pointsman origin add app://obsidian.md            apps: also tauri://localhost, vscode-webview://*
    pointsman origin add 'chrome-extension://*'       every extension
    pointsman origin add null                         pages from files
    pointsman origin add '*'                          every page; only where clients need keys
    """
    invocation.finish("POST", "/api/origins", {"origin": origin}, show=_show_new)


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List the origins that are let in, and who let them in."""
    invocation.finish("GET", "/api/origins", show=_SHOW)


@command.command("remove")
@click.argument("origin", metavar="ORIGIN|ID")
@with_options
def remove(invocation: Invocation, origin: str) -> None:
    """Let an origin in no more, at once."""
    with invocation.session():
        number = origin if origin.isascii() and origin.isdigit() else _stored(invocation, _parsed(origin))
        answer = invocation.send("DELETE", f"/api/origins/{number}")
    invocation.print(answer, lambda _: note(f"removed: {origin}"))


def _parsed(text: str) -> str:
    try:
        return parse_origin(text)
    except ValueError as error:
        raise PointsmanError(ErrorKind.INVALID, f"the origin {text[:100]!r} {error}") from None


def _stored(invocation: Invocation, origin: str) -> int:
    """The id of its row. Raises PointsmanError where there is none."""
    rows: list[dict[str, Any]] = invocation.send("GET", "/api/origins").json()
    found = next((row for row in rows if row["origin"] == origin), None)
    if found is None:
        raise PointsmanError(ErrorKind.NOT_FOUND, f"{origin} is not let in; see: pointsman origin list")
    if found["id"] is None:
        named = " and ".join(_SOURCES[source] for source in found["sources"])
        raise PointsmanError(
            ErrorKind.CONFLICT, f"{origin} is let in by {named}; start the gateway without it"
        )
    return int(found["id"])


def _show_new(row: dict[str, Any]) -> None:
    note(f"pages of {row['origin']} may use the model paths (origin {row['id']})")
