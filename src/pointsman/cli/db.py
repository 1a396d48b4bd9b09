"""`pointsman db copy`: everything of one database into another, while no gateway uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import Invocation, exit_on_failure, note, with_options
from .once import Command, Group

if TYPE_CHECKING:
    from ..admin.store.moving import Moved


@click.group("db", cls=Group)
def command() -> None:
    """The database: from a SQLite file to a PostgreSQL, and back."""


@command.command("copy", cls=Command)
@click.option("--from", "source", required=True, metavar="URL", help="sqlite:////PATH or postgresql://...")
@click.option("--to", "target", required=True, metavar="URL", help="The same; one that is empty.")
@click.option("--replace", is_flag=True, help="What is in the target goes; it is kept in a backup.")
@with_options
def copy(invocation: Invocation, source: str, target: str, replace: bool) -> None:
    """Copy all rules, backends, keys, settings, the audit and the usage records from one database into another, and count
    them there.

    Stop the gateways on both first. The source stays as it is. Usage records of a SQLite file are those in usage.db beside
    it. Stored keys come along sealed: copy the master key (master.key, or POINTSMAN_MASTER_KEY) to wherever the target is
    used.

    \b
    pointsman db copy --from sqlite:////srv/pointsman/pointsman.db \\
        --to 'postgresql://pointsman@db.example/pointsman?passfile=/etc/pointsman/pgpass'
    """
    from ..admin.control.trouble import translated_errors
    from ..admin.store.moving import move

    with exit_on_failure(invocation.as_json), translated_errors():
        moved = move(source, target, invocation.data_dir, replace=replace)
    if invocation.as_json:
        click.echo(moved.model_dump_json())
    else:
        _show(moved)
    note(
        "The master key is not in it: copy master.key, or POINTSMAN_MASTER_KEY, to where the target is used."
    )


def _show(moved: Moved) -> None:
    width = max(map(len, moved.tables))
    for name, rows in moved.tables.items():
        click.echo(f"{name:<{width}}  {rows:>9,}")
    click.echo(f"{'requests in usage':<{width}}  {moved.requests:>9,}")
    click.echo(f"copied: {moved.source} -> {moved.target}")
    if moved.kept_aside is not None:
        click.echo(f"what was there: {moved.kept_aside}")
