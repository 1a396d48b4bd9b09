"""`pointsman group ...`: client keys that share their limits."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from .columns import Column, Verb, takes
from .common import Invocation, local_time, note, table, with_options
from .limits import BUDGET, RATES, check_amount, said, spent
from .once import Group

COLUMNS = (*BUDGET, *RATES, Column("--note", "note", "What it is for.", "What it is for."))
_SHOW = table(
    ("name", "name"),
    ("keys", lambda row: " ".join(map(str, row["keys"])) or None),
    ("limits", said),
    ("spent", spent),
    ("note", lambda row: row["note"] or None),
    ("created", lambda row: local_time(row["created_at"])),
    empty="there is no group; add one with: pointsman group add NAME --budget-money 20 --per day",
)


@click.group("group", cls=Group)
def command() -> None:
    """Groups of client keys, such as a team's: their keys share one budget and one rate.

    \b
    pointsman group add team-a --budget-money 20 --per day
    pointsman key create --name ci --group team-a
    """


@command.command("add")
@click.argument("name")
@takes(COLUMNS, Verb.ADD)
@with_options
def add(invocation: Invocation, name: str, body: dict[str, Any]) -> None:
    """Add a group."""
    check_amount(body)
    invocation.finish("POST", "/api/groups", {"name": name} | body, show=_SHOW)


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List the groups, with what their keys have spent."""
    invocation.finish("GET", "/api/groups", show=_SHOW)


@command.command("update")
@click.argument("name")
@takes(COLUMNS, Verb.UPDATE)
@with_options
def update(invocation: Invocation, name: str, body: dict[str, Any]) -> None:
    """Change a group; what is not named stays."""
    invocation.finish("PATCH", f"/api/groups/{quote(name, safe='')}", body, show=_SHOW)


@command.command("remove")
@click.argument("name")
@with_options
def remove(invocation: Invocation, name: str) -> None:
    """Remove a group that no live key is in."""
    invocation.finish(
        "DELETE", f"/api/groups/{quote(name, safe='')}", show=lambda _: note(f"group {name} is removed")
    )
