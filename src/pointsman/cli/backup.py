"""`pointsman backup FILE`: a copy of rules, keys and settings, made while the gateway serves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from ..config import DATABASE_VARIABLE
from .common import Invocation, fail_with, note, with_options
from .once import Command


@click.command("backup", cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--usage", is_flag=True, help="With the usage records.")
@with_options
def command(invocation: Invocation, file: Path, usage: bool) -> None:
    """Copy rules, backends, keys and settings into FILE; requests go on meanwhile.

    The master key is not in it: keep a copy of master.key (or of POINTSMAN_MASTER_KEY) at another place, without which the
    stored keys of a backup are worth nothing. Put it back with: pointsman restore FILE.
    """
    if file.exists():
        fail_with(invocation, f"{file} is there already; name another file.")
    with invocation.session():
        answer = invocation.send("POST", "/api/backups", {"usage": usage})
        made = backups_folder(invocation) / answer.json()["name"]
        try:
            shutil.move(made, file)
        except OSError as error:
            fail_with(invocation, f"{file} cannot be written ({error.strerror}); the backup is {made}.")
    invocation.print(answer, lambda found: note(f"saved: {file} ({found['bytes']:,} bytes)"))
    note("The master key is not in it: keep that at another place.")


def backups_folder(invocation: Invocation) -> Path:
    """Of this data folder's gateway."""
    from ..admin.store.database_url import backups_of, database_place

    place = database_place(invocation.data_dir, os.environ.get(DATABASE_VARIABLE))
    return backups_of(place, invocation.data_dir)
